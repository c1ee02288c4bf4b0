//! Our expressions of sqlparser's: what the grammar of rules does not have is refused.

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    InTarget, Spanned, UnaryOperator, Value,
};

use super::super::SqlError;
use super::super::expression::{Arithmetic, Comparison, Expression, Predicate};
use super::super::property::{Property, SystemProperty};
use crate::broker::PropertyValue;

/// A filter.
pub(super) fn predicate(tree: &Expr) -> Result<Predicate, SqlError> {
    Ok(match tree {
        Expr::Nested(inner) => predicate(inner)?,
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => not(predicate(expr)?),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            Predicate::And(Box::new(predicate(left)?), Box::new(predicate(right)?))
        }
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            Predicate::Or(Box::new(predicate(left)?), Box::new(predicate(right)?))
        }
        Expr::BinaryOp { left, op, right } => {
            let Some(comparison) = comparison(op) else { return Err(no_condition(tree)) };
            Predicate::Compare { left: expression(left)?, comparison, right: expression(right)? }
        }
        Expr::IsNull(inner) => Predicate::IsNull(tested(inner)?),
        Expr::IsNotNull(inner) => not(Predicate::IsNull(tested(inner)?)),
        Expr::In { expr, target: InTarget::List(list), negated, global: false } => {
            let list = list.iter().map(expression).collect::<Result<_, _>>()?;
            negated_if(*negated, Predicate::In { left: expression(expr)?, list })
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char } => {
            let escape = escape_char.as_deref().map(expression).transpose()?;
            let (left, pattern) = (expression(expr)?, expression(pattern)?);
            negated_if(*negated, Predicate::Like { left, pattern, escape })
        }
        Expr::Function(function) => match (call(function).as_str(), arguments(function).as_deref())
        {
            ("exists", Some([argument])) => Predicate::Exists(tested(argument)?),
            _ => return Err(no_condition(tree)),
        },
        _ => return Err(no_condition(tree)),
    })
}

fn not(predicate: Predicate) -> Predicate {
    Predicate::Not(Box::new(predicate))
}

fn negated_if(negated: bool, predicate: Predicate) -> Predicate {
    if negated { not(predicate) } else { predicate }
}

const fn comparison(operator: &BinaryOperator) -> Option<Comparison> {
    Some(match operator {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

/// A value.
pub(super) fn expression(tree: &Expr) -> Result<Expression, SqlError> {
    Ok(match tree {
        Expr::Nested(inner) => expression(inner)?,
        Expr::Value(value) => constant(&value.value).map_err(|message| at(tree, &message))?,
        Expr::CompoundIdentifier(names) => Expression::Property(property(names)?),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            Expression::Negative(Box::new(expression(expr)?))
        }
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => {
            Expression::Positive(Box::new(expression(expr)?))
        }
        Expr::BinaryOp { left, op, right } => {
            let operator = match op {
                BinaryOperator::Plus => Arithmetic::Add,
                BinaryOperator::Minus => Arithmetic::Subtract,
                BinaryOperator::Multiply => Arithmetic::Multiply,
                BinaryOperator::Divide => Arithmetic::Divide,
                BinaryOperator::Modulo => Arithmetic::Remainder,
                _ => return Err(no_value(tree)),
            };
            let (left, right) = (Box::new(expression(left)?), Box::new(expression(right)?));
            Expression::Arithmetic { left, operator, right }
        }
        Expr::Function(function) => match (call(function).as_str(), arguments(function).as_deref())
        {
            ("newid", Some([])) => Expression::NewId,
            ("property" | "p", Some([name])) => Expression::Named(Box::new(expression(name)?)),
            _ => return Err(no_value(tree)),
        },
        _ => return Err(no_value(tree)),
    })
}

fn constant(value: &Value) -> Result<Expression, String> {
    Ok(Expression::Constant(match value {
        Value::Null => return Ok(Expression::Null),
        Value::Boolean(value) => PropertyValue::Boolean(*value),
        Value::SingleQuotedString(text) => PropertyValue::Text(text.as_str().into()),
        Value::Number(digits, false) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let number = digits.parse();
            PropertyValue::Integer(number.map_err(|_| format!("{digits} does not fit 64 bits"))?)
        }
        Value::Number(digits, false) => {
            let number = digits.parse::<f64>().ok().filter(|number| number.is_finite());
            PropertyValue::Float(number.ok_or_else(|| format!("{digits} is not a number"))?)
        }
        other => return Err(format!("{other} is not a constant of rules")),
    }))
}

/// A name, with the scope before it.
pub(super) fn property(names: &[Ident]) -> Result<Property, SqlError> {
    let scope_is = |scope: &Ident, name: &str| {
        scope.quote_style.is_none() && scope.value.eq_ignore_ascii_case(name)
    };
    match names {
        [name] => Ok(Property::User(name.value.clone())),
        [scope, name] if scope_is(scope, "user") => Ok(Property::User(name.value.clone())),
        [scope, name] if scope_is(scope, "sys") => SystemProperty::named(&name.value)
            .map(Property::System)
            .map_err(|message| SqlError::new(format!("{message}{}", name.span.start))),
        _ => {
            let name: Vec<_> = names.iter().map(ToString::to_string).collect();
            let (name, start) = (name.join("."), names.first().map(|first| first.span.start));
            let place = start.map(|start| start.to_string()).unwrap_or_default();
            Err(SqlError::new(format!("{name}: the scope of a property is sys or user{place}")))
        }
    }
}

/// A property that `REMOVE` can take.
pub(super) fn removable(names: &[Ident]) -> Result<Property, SqlError> {
    match property(names)? {
        Property::System(property) if !property.is_removable() => {
            Err(SqlError::new(format!("sys.{property:?} cannot be removed")))
        }
        property => Ok(property),
    }
}

/// The property that EXISTS or IS NULL looks for.
fn tested(tree: &Expr) -> Result<Property, SqlError> {
    match tree {
        Expr::CompoundIdentifier(names) => property(names),
        _ => Err(at(tree, &format!("expected the name of a property, found: {tree}"))),
    }
}

/// The name of a function in lower case.
fn call(function: &Function) -> String {
    function.name.to_string().to_ascii_lowercase()
}

/// The arguments of a function; `None` if it has anything else with them.
fn arguments(function: &Function) -> Option<Vec<&Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let Function { within_group, filter: None, null_treatment: None, over: None, .. } = function
    else {
        return None;
    };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() || !within_group.is_empty() {
        return None;
    }
    let arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)) => Some(argument),
        _ => None,
    });
    arguments.collect()
}

fn no_condition(tree: &Expr) -> SqlError {
    at(tree, &format!("expected a condition, found: {tree}"))
}

fn no_value(tree: &Expr) -> SqlError {
    at(tree, &format!("expected a value, found: {tree}"))
}

fn at(tree: &Expr, message: &str) -> SqlError {
    let start = tree.span().start;
    // The tree does not know the place of everything.
    let place = if start.line == 0 { String::new() } else { start.to_string() };
    SqlError::new(format!("{message}{place}"))
}
