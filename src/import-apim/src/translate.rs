//! Expressions of policies as values of our configuration.

mod blocks;
mod operators;

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::expr::{Expr, ExprKind, Part};
use crate::lexer::Unreadable;
use crate::members;
use crate::syntax;
use crate::term::{Object, Scope, Term, choice, fail};
use crate::value::{Cel, Piece, Value};
use crate::xml::{Content, ContentKind};

/// A value that may be no value of ours, such as a response.
pub(crate) fn term(content: &Content, scope: &mut Scope) -> Result<Term, Unreadable> {
    match &content.kind {
        ContentKind::Text(text) => Ok(Term::Value(Value::Text(text.trim().to_owned()))),
        ContentKind::Unreadable(unreadable) => Err(unreadable.clone()),
        ContentKind::Expression(tokens) => {
            let expr = syntax::expression(tokens)?;
            Translator { scope, locals: BTreeMap::new() }.term(&expr)
        }
        ContentKind::Statements(tokens) => {
            let statements = syntax::statements(tokens)?;
            let steps: Vec<_> = statements.iter().collect();
            let mut translator = Translator { scope, locals: BTreeMap::new() };
            match translator.block(&steps)? {
                Some(term) => Ok(term),
                None => {
                    let message = "the block returns nothing".to_owned();
                    Err(Unreadable { at: content.at, message })
                }
            }
        }
    }
}

/// Translates one expression or block.
struct Translator<'a> {
    scope: &'a mut Scope,
    locals: BTreeMap<String, Result<Term, Unreadable>>,
}

impl Translator<'_> {
    /// A value of our configuration.
    fn value(&mut self, expr: &Expr) -> Result<Value, Unreadable> {
        match self.term(expr)? {
            Term::Value(value) => Ok(value),
            Term::Object(_) => fail(expr, "this has no counterpart here"),
        }
    }

    fn term(&mut self, expr: &Expr) -> Result<Term, Unreadable> {
        Ok(Term::Value(match &expr.kind {
            ExprKind::Text(text) => Value::Text(text.clone()),
            ExprKind::Number(number) => match number.parse() {
                Ok(number) => Value::Json(Json::Number(number)),
                Err(_) => return fail(expr, "this number is not understood"),
            },
            ExprKind::Joined(parts) => return self.joined(parts),
            ExprKind::Name(name) => return self.name(expr, name),
            ExprKind::Member(inner, name) => {
                let term = self.term(inner)?;
                return members::member(expr, term, name, self.scope);
            }
            ExprKind::Index(inner, key) => {
                let term = self.term(inner)?;
                let key = self.value(key)?;
                return members::index(expr, term, &key, self.scope);
            }
            ExprKind::Call(callee, arguments) => return self.call(expr, callee, arguments),
            ExprKind::Out(_) => return fail(expr, TRY),
            ExprKind::New(name, arguments, named) => self.object(expr, name, arguments, named)?,
            ExprKind::Not(inner) => self.not(inner)?,
            ExprKind::Binary(operator, left, right) => return self.binary(operator, left, right),
            ExprKind::Choice(condition, yes, no) => {
                let value = self.value(condition)?;
                if let Some(holds) = value.as_bool() {
                    return self.term(if holds { yes } else { no });
                }
                let condition = value.operand().map_or_else(|| fail(condition, TREE), Ok)?;
                let (yes, no) = (self.value(yes)?, self.value(no)?);
                choice(&condition, &yes, &no).map_or_else(|| fail(expr, TREE), Ok)?
            }
        }))
    }

    fn name(&mut self, expr: &Expr, name: &str) -> Result<Term, Unreadable> {
        if let Some(term) = self.locals.get(name) {
            return term.clone();
        }
        Ok(match name {
            "true" => Term::Value(Value::Json(Json::Bool(true))),
            "false" => Term::Value(Value::Json(Json::Bool(false))),
            "null" => Term::Value(Value::Json(Json::Null)),
            "context" => Term::Object(Object::Context),
            "string" | "System" => Term::Object(Object::Type(name.to_owned())),
            _ if members::TYPES.contains(&name) => Term::Object(Object::Type(name.to_owned())),
            _ => return fail(expr, &format!("`{name}` has no counterpart here")),
        })
    }

    fn call(&mut self, expr: &Expr, callee: &Expr, arguments: &[Expr]) -> Result<Term, Unreadable> {
        let ExprKind::Member(inner, name) = &callee.kind else {
            return fail(expr, "this call has no counterpart here");
        };
        if let ("Equals", [other]) = (name.as_str(), arguments) {
            return self.binary("==", inner, other);
        }
        let term = self.term(inner)?;
        if name.starts_with("TryGet") {
            let found = self.try_get(expr, term, arguments);
            return found.map_or_else(|| fail(expr, TRY), |value| Ok(Term::Value(value)));
        }
        // JSON that is laid out in another form is the same JSON.
        let arguments = arguments.iter().filter(|one| !is_formatting(one));
        let arguments: Vec<_> = arguments.map(|one| self.value(one)).collect::<Result<_, _>>()?;
        members::call(expr, term, name, &arguments, self.scope)
    }

    fn operand(&mut self, expr: &Expr) -> Result<String, Unreadable> {
        self.value(expr)?.operand().map_or_else(|| fail(expr, TREE), Ok)
    }

    fn joined(&mut self, parts: &[Part]) -> Result<Term, Unreadable> {
        let mut pieces = vec![];
        for part in parts {
            match part {
                Part::Text(text) => pieces.push(Piece::Text(text.clone())),
                Part::Expr(expr) => match self.term(expr)? {
                    // Whatever stands around a token, it is one.
                    token @ Term::Object(Object::Token(_) | Object::Signature) => return Ok(token),
                    Term::Object(_) => return fail(expr, "this has no counterpart here"),
                    Term::Value(value) => {
                        let value = value.pieces();
                        pieces.extend(value.map_or_else(|| fail(expr, TREE), Ok)?);
                    }
                },
            }
        }
        Ok(Term::Value(Value::joined(pieces)))
    }

    /// `TryGetProperty("a", out var b)`: whether it is there, and a name for it.
    fn try_get(&mut self, expr: &Expr, term: Term, arguments: &[Expr]) -> Option<Value> {
        let [key, Expr { kind: ExprKind::Out(name), .. }] = arguments else { return None };
        let key = self.value(key).ok()?;
        let found = match (&term, &key) {
            (Term::Object(Object::Variables), Value::Text(name))
                if !self.scope.variables.contains_key(name) =>
            {
                Err(Unreadable { at: expr.at, message: format!("{name:?} is not set before") })
            }
            _ => members::index(expr, term, &key, self.scope),
        };
        let condition = match &found {
            Err(_) => Value::Json(Json::Bool(false)),
            Ok(Term::Value(Value::Cel(Cel { presence: Some(presence), .. }))) => {
                Value::Cel(Cel::operation(presence.clone(), false))
            }
            // It is set by the policy itself.
            Ok(_) => Value::Json(Json::Bool(true)),
        };
        self.locals.insert(name.clone(), found);
        Some(condition)
    }
}

const TREE: &str = "an object or list cannot stand here";
const TRY: &str = "this question has no counterpart here";

/// `Formatting.None`, whatever it is a member of.
fn is_formatting(expr: &Expr) -> bool {
    let ExprKind::Member(inner, _) = &expr.kind else { return false };
    matches!(&inner.kind, ExprKind::Name(name) | ExprKind::Member(_, name) if name == "Formatting")
}
