//! Operators, and objects that are made.

use serde_json::Value as Json;

use super::{TREE, Translator};
use crate::expr::{Expr, ExprKind};
use crate::lexer::Unreadable;
use crate::term::{Object, Term, choice, fail};
use crate::value::{Cel, Matched, Value};

impl Translator<'_> {
    pub(super) fn not(&mut self, inner: &Expr) -> Result<Value, Unreadable> {
        if let Some(holds) = self.value(inner)?.as_bool() {
            return Ok(Value::Json(Json::Bool(!holds)));
        }
        let operand = self.operand(inner)?;
        Ok(Value::Cel(Cel::operation(format!("!{operand}"), false)))
    }

    pub(super) fn binary(
        &mut self,
        operator: &str,
        left: &Expr,
        right: &Expr,
    ) -> Result<Term, Unreadable> {
        let one = self.term(left)?;
        // The other side is not looked at where the first says enough.
        if let (Term::Value(value), "&&" | "||") = (&one, operator)
            && let Some(holds) = value.as_bool()
        {
            return if holds == (operator == "&&") { self.term(right) } else { Ok(one) };
        }
        let other = self.term(right)?;
        let is_null = |term: &Term| *term == Term::Value(Value::Json(Json::Null));
        match (one, other) {
            (Term::Value(one), Term::Value(other)) => {
                self.operation(operator, left, (one, other)).map(Term::Value)
            }
            (token @ Term::Object(Object::Token(_) | Object::Signature), _)
            | (_, token @ Term::Object(Object::Token(_) | Object::Signature))
                if operator == "+" =>
            {
                Ok(token)
            }
            (object @ Term::Object(_), _) if operator == "??" => Ok(object),
            (Term::Object(object), other) | (other, Term::Object(object))
                if is_null(&other) && ["==", "!="].contains(&operator) =>
            {
                self.scope.reads_outcome |= matches!(object, Object::Accepted | Object::Sent(_));
                Ok(Term::Value(Value::Json(Json::Bool(operator == "!="))))
            }
            _ => fail(left, "this has no counterpart here"),
        }
    }

    fn operation(
        &mut self,
        operator: &str,
        left: &Expr,
        (one, other): (Value, Value),
    ) -> Result<Value, Unreadable> {
        if operator == "+" && (one.is_text() || other.is_text()) {
            let pieces = one.pieces().zip(other.pieces());
            let (mut pieces, more) = pieces.map_or_else(|| fail(left, TREE), Ok)?;
            pieces.extend(more);
            return Ok(Value::joined(pieces));
        }
        if operator == "??" {
            if one == Value::Json(Json::Null) {
                return Ok(other);
            }
            let there = if let Value::Cel(cel) = &one { cel.there() } else { None };
            let Some(there) = there else { return Ok(one) };
            return choice(&there, &one, &other).map_or_else(|| fail(left, TREE), Ok);
        }
        if let Some(value) = constant(operator, &one, &other) {
            return Ok(value);
        }
        if let (
            "==" | "!=",
            (Value::Cel(cel), Value::Json(Json::Null)) | (Value::Json(Json::Null), Value::Cel(cel)),
        ) = (operator, (&one, &other))
            && let Some(there) = cel.there()
        {
            let code = if operator == "!=" { there } else { format!("!({there})") };
            return Ok(Value::Cel(Cel::operation(code, false)));
        }
        let (Some(first), Some(second)) = (one.operand(), other.operand()) else {
            return fail(left, TREE);
        };
        let matches = match operator {
            "==" => matched(&one, &other).or_else(|| matched(&other, &one)).into_iter().collect(),
            "&&" => both(&one, &other),
            _ => vec![],
        };
        let code = format!("{first} {operator} {second}");
        Ok(Value::Cel(Cel { matches, ..Cel::operation(code, false) }))
    }

    /// One that cannot be turned is no reason to lose the others.
    pub(super) fn object_member(
        &mut self,
        members: &mut Vec<(String, Value)>,
        key: String,
        value: &Expr,
    ) {
        match self.value(value) {
            Ok(value) => {
                members.retain(|(other, _)| *other != key);
                members.push((key, value));
            }
            Err(unreadable) => self.scope.skipped.push((key, unreadable)),
        }
    }

    /// `new { … }`, `new JObject(new JProperty("a", …))`, `new JArray(…)`.
    pub(super) fn object(
        &mut self,
        expr: &Expr,
        name: &str,
        arguments: &[Expr],
        named: &[(String, Expr)],
    ) -> Result<Value, Unreadable> {
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
                Ok(Value::Map(members))
            }
            "JArray" => {
                let items = arguments.iter().map(|one| self.value(one));
                items.collect::<Result<_, _>>().map(Value::List)
            }
            "JValue" => match arguments {
                [value] => self.value(value),
                _ => fail(expr, NEW),
            },
            _ => fail(expr, NEW),
        }
    }
}

const NEW: &str = "this object has no counterpart here";

/// What two constants yield.
fn constant(operator: &str, one: &Value, other: &Value) -> Option<Value> {
    let fixed = |value: &Value| matches!(value, Value::Text(_) | Value::Json(_));
    let number = |value: &Value| match value {
        Value::Json(Json::Number(number)) => number.as_f64(),
        _ => None,
    };
    if !fixed(one) || !fixed(other) {
        return None;
    }
    let order = || number(one)?.partial_cmp(&number(other)?);
    let holds = match operator {
        "==" => order().map_or(one == other, std::cmp::Ordering::is_eq),
        "!=" => !order().map_or(one == other, std::cmp::Ordering::is_eq),
        "<" => order()?.is_lt(),
        "<=" => order()?.is_le(),
        ">" => order()?.is_gt(),
        ">=" => order()?.is_ge(),
        _ => return None,
    };
    Some(Value::Json(Json::Bool(holds)))
}

/// The condition of a `match` that says the same.
fn matched(found: &Value, wanted: &Value) -> Option<Matched> {
    let (Value::Cel(cel), Value::Text(text)) = (found, wanted) else { return None };
    if cel.code == "request.method" {
        return Some(Matched::Method(text.clone()));
    }
    match &cel.header {
        // A missing header would fit as well.
        Some((_, Some(default))) if default == text => None,
        Some((name, _)) => Some(Matched::Header(name.clone(), text.clone())),
        None => None,
    }
}

fn both(one: &Value, other: &Value) -> Vec<Matched> {
    let (Value::Cel(one), Value::Cel(other)) = (one, other) else { return vec![] };
    if one.matches.is_empty() || other.matches.is_empty() {
        return vec![];
    }
    one.matches.iter().chain(&other.matches).cloned().collect()
}

pub(super) fn text_of(expr: &Expr) -> Result<String, Unreadable> {
    match &expr.kind {
        ExprKind::Text(text) => Ok(text.clone()),
        _ => fail(expr, "expected a text"),
    }
}
