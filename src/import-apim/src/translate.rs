//! Expressions of policies as values of our configuration.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::expr::{Expr, ExprKind, Part, Statement};
use super::lexer::Unreadable;
use super::made::{Cel, Made, Piece};
use super::members::{self, Thing, Value};
use super::syntax;
use super::xml::{Content, ContentKind};

/// What expressions may refer to.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Variables of the policy; one whose value could not be turned tells why.
    pub(super) variables: BTreeMap<String, Result<Value, Unreadable>>,
    /// Captures of the operation's path, with our names for them.
    pub(super) captures: Vec<(String, String)>,
    /// Parameters of the operation's query.
    pub(super) query: Vec<String>,
    /// Members of objects that could not be turned, and why.
    pub(super) skipped: Vec<(String, Unreadable)>,
    /// What was turned into something that differs.
    pub(super) notes: Vec<Unreadable>,
}

/// An attribute's or element's value.
pub(super) fn content(content: &Content, known: &mut Known) -> Result<Made, Unreadable> {
    made(value(content, known)?, content)
}

/// A value that may be no value of ours, such as a response.
pub(super) fn value(content: &Content, known: &mut Known) -> Result<Value, Unreadable> {
    match &content.kind {
        ContentKind::Text(text) => Ok(Value::Made(Made::Text(text.trim().to_owned()))),
        ContentKind::Unreadable(unreadable) => Err(unreadable.clone()),
        ContentKind::Expression(tokens) => {
            let expr = syntax::expression(tokens)?;
            Translator { known, locals: BTreeMap::new() }.value(&expr)
        }
        ContentKind::Statements(tokens) => {
            let statements = syntax::statements(tokens)?;
            let mut translator = Translator { known, locals: BTreeMap::new() };
            for statement in &statements {
                if let Some(value) = translator.statement(statement)? {
                    return Ok(value);
                }
            }
            let message = "the block returns nothing".to_owned();
            Err(Unreadable { at: content.at, message })
        }
    }
}

fn made(value: Value, content: &Content) -> Result<Made, Unreadable> {
    match value {
        Value::Made(made) => Ok(made),
        Value::Thing(_) => {
            let message = "this has no counterpart here".to_owned();
            Err(Unreadable { at: content.at, message })
        }
    }
}

/// Translates one expression or block.
pub(super) struct Translator<'a> {
    pub(super) known: &'a mut Known,
    locals: BTreeMap<String, Result<Value, Unreadable>>,
}

impl Translator<'_> {
    fn statement(&mut self, statement: &Statement) -> Result<Option<Value>, Unreadable> {
        match statement {
            Statement::Return(expr) => return self.value(expr).map(Some),
            Statement::Local(name, expr) => {
                let value = self.value(expr);
                self.locals.insert(name.clone(), value);
            }
            Statement::Variable(target, expr) => {
                let ExprKind::Index(_, key) = &target.kind else {
                    return fail(target, "this assignment has no counterpart here");
                };
                let key = text_of(key)?;
                let value = self.value(expr);
                self.known.variables.insert(key, value);
            }
        }
        Ok(None)
    }

    /// A value of our configuration.
    pub(super) fn made(&mut self, expr: &Expr) -> Result<Made, Unreadable> {
        match self.value(expr)? {
            Value::Made(made) => Ok(made),
            Value::Thing(_) => fail(expr, "this has no counterpart here"),
        }
    }

    pub(super) fn value(&mut self, expr: &Expr) -> Result<Value, Unreadable> {
        Ok(Value::Made(match &expr.kind {
            ExprKind::Text(text) => Made::Text(text.clone()),
            ExprKind::Number(number) => match number.parse() {
                Ok(number) => Made::Json(Json::Number(number)),
                Err(_) => return fail(expr, "this number is not understood"),
            },
            ExprKind::Joined(parts) => self.joined(parts)?,
            ExprKind::Name(name) => return self.name(expr, name),
            ExprKind::Member(inner, name) => {
                let value = self.value(inner)?;
                return members::member(expr, value, name);
            }
            ExprKind::Index(inner, key) => {
                let value = self.value(inner)?;
                let key = self.made(key)?;
                return members::index(expr, value, &key, self.known);
            }
            ExprKind::Call(callee, arguments) => {
                let ExprKind::Member(inner, name) = &callee.kind else {
                    return fail(expr, "this call has no counterpart here");
                };
                let value = self.value(inner)?;
                if name.starts_with("TryGet") {
                    let found = self.try_get(expr, value, arguments);
                    return found.map_or_else(|| fail(expr, TRY), |made| Ok(Value::Made(made)));
                }
                let arguments: Vec<_> =
                    arguments.iter().map(|one| self.made(one)).collect::<Result<_, _>>()?;
                return members::call(expr, value, name, &arguments, self.known);
            }
            ExprKind::Out(_) => return fail(expr, TRY),
            ExprKind::New(name, arguments, named) => self.object(expr, name, arguments, named)?,
            ExprKind::Not(inner) => {
                let operand = self.operand(inner)?;
                Made::Cel(Cel::operation(format!("!{operand}"), false))
            }
            ExprKind::Binary(operator, left, right) => self.binary(operator, left, right)?,
            ExprKind::Choice(condition, yes, no) => {
                let condition = self.operand(condition)?;
                let (yes, no) = (self.made(yes)?, self.made(no)?);
                choice(&condition, &yes, &no).map_or_else(|| fail(expr, TREE), Ok)?
            }
        }))
    }

    fn name(&mut self, expr: &Expr, name: &str) -> Result<Value, Unreadable> {
        if let Some(value) = self.locals.get(name) {
            return value.clone();
        }
        Ok(match name {
            "true" => Value::Made(Made::Json(Json::Bool(true))),
            "false" => Value::Made(Made::Json(Json::Bool(false))),
            "null" => Value::Made(Made::Json(Json::Null)),
            "context" => Value::Thing(Thing::Context),
            "Guid" | "DateTime" | "DateTimeOffset" | "JsonConvert" | "JObject" | "JArray"
            | "JToken" | "string" | "String" => Value::Thing(Thing::Type(name.to_owned())),
            _ => return fail(expr, &format!("`{name}` has no counterpart here")),
        })
    }

    fn operand(&mut self, expr: &Expr) -> Result<String, Unreadable> {
        self.made(expr)?.operand().map_or_else(|| fail(expr, TREE), Ok)
    }

    fn joined(&mut self, parts: &[Part]) -> Result<Made, Unreadable> {
        let mut pieces = vec![];
        for part in parts {
            match part {
                Part::Text(text) => pieces.push(Piece::Text(text.clone())),
                Part::Expr(expr) => {
                    let made = self.made(expr)?.pieces();
                    pieces.extend(made.map_or_else(|| fail(expr, TREE), Ok)?);
                }
            }
        }
        Ok(Made::joined(pieces))
    }

    fn binary(&mut self, operator: &str, left: &Expr, right: &Expr) -> Result<Made, Unreadable> {
        let (one, other) = (self.made(left)?, self.made(right)?);
        if operator == "+" && (one.is_text() || other.is_text()) {
            let pieces = one.pieces().zip(other.pieces());
            let (mut pieces, more) = pieces.map_or_else(|| fail(left, TREE), Ok)?;
            pieces.extend(more);
            return Ok(Made::joined(pieces));
        }
        if operator == "??" {
            let there = if let Made::Cel(cel) = &one { cel.there() } else { None };
            let Some(there) = there else { return Ok(one) };
            return choice(&there, &one, &other).map_or_else(|| fail(left, TREE), Ok);
        }
        if let (
            "==" | "!=",
            (Made::Cel(cel), Made::Json(Json::Null)) | (Made::Json(Json::Null), Made::Cel(cel)),
        ) = (operator, (&one, &other))
            && let Some(there) = cel.there()
        {
            let code = if operator == "!=" { there } else { format!("!({there})") };
            return Ok(Made::Cel(Cel::operation(code, false)));
        }
        let (Some(one), Some(other)) = (one.operand(), other.operand()) else {
            return fail(left, TREE);
        };
        Ok(Made::Cel(Cel::operation(format!("{one} {operator} {other}"), false)))
    }

    /// One that cannot be turned is no reason to lose the others.
    fn object_member(&mut self, members: &mut Vec<(String, Made)>, key: String, value: &Expr) {
        match self.made(value) {
            Ok(made) => members.push((key, made)),
            Err(unreadable) => self.known.skipped.push((key, unreadable)),
        }
    }

    /// `TryGetProperty("a", out var b)`: whether it is there, and a name for it.
    fn try_get(&mut self, expr: &Expr, value: Value, arguments: &[Expr]) -> Option<Made> {
        let [key, Expr { kind: ExprKind::Out(name), .. }] = arguments else { return None };
        let key = self.made(key).ok()?;
        let found = members::index(expr, value, &key, self.known).ok()?;
        let Value::Made(Made::Cel(Cel { presence: Some(presence), .. })) = &found else {
            return None;
        };
        let condition = Made::Cel(Cel::operation(presence.clone(), false));
        self.locals.insert(name.clone(), Ok(found));
        Some(condition)
    }

    /// `new { … }`, `new JObject(new JProperty("a", …))`, `new JArray(…)`.
    fn object(
        &mut self,
        expr: &Expr,
        name: &str,
        arguments: &[Expr],
        named: &[(String, Expr)],
    ) -> Result<Made, Unreadable> {
        match name {
            "" | "JObject" => {
                let mut members = vec![];
                for one in arguments {
                    let ExprKind::New(kind, pair, _) = &one.kind else { return fail(one, NEW) };
                    let [key, value] = pair.as_slice() else { return fail(one, NEW) };
                    if kind != "JProperty" {
                        return fail(one, NEW);
                    }
                    self.object_member(&mut members, text_of(key)?, value);
                }
                for (key, value) in named {
                    self.object_member(&mut members, key.clone(), value);
                }
                Ok(Made::Object(members))
            }
            "JArray" => {
                arguments.iter().map(|one| self.made(one)).collect::<Result<_, _>>().map(Made::List)
            }
            _ => fail(expr, NEW),
        }
    }
}

const TREE: &str = "an object or list cannot stand here";
const TRY: &str = "this question has no counterpart here";
const NEW: &str = "this object has no counterpart here";

/// A value that depends on a condition.
pub(super) fn choice(condition: &str, yes: &Made, no: &Made) -> Option<Made> {
    let is_text = yes.is_text() && no.is_text();
    let of = |made: &Made| if is_text { made.text_operand() } else { made.operand() };
    let code = format!("{condition} ? {} : {}", of(yes)?, of(no)?);
    Some(Made::Cel(Cel::operation(code, is_text)))
}

fn text_of(expr: &Expr) -> Result<String, Unreadable> {
    match &expr.kind {
        ExprKind::Text(text) => Ok(text.clone()),
        _ => fail(expr, "expected a text"),
    }
}

pub(super) fn fail<T>(expr: &Expr, message: &str) -> Result<T, Unreadable> {
    Err(Unreadable { at: expr.at, message: message.to_owned() })
}
