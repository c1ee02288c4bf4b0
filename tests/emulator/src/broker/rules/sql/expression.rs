//! Filters and the expressions in them.

use super::property::Property;
use crate::broker::PropertyValue;

/// What is true, false or unknown of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Predicate {
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Compare { left: Expression, comparison: Comparison, right: Expression },
    Exists(Property),
    IsNull(Property),
    In { left: Expression, list: Vec<Expression> },
    Like { left: Expression, pattern: Expression, escape: Option<Expression> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What has a value in a message, or is unknown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Null,
    Constant(PropertyValue),
    Property(Property),
    /// `property(…)`: the application property that an expression names.
    Named(Box<Expression>),
    NewId,
    Negative(Box<Expression>),
    Positive(Box<Expression>),
    Arithmetic {
        left: Box<Expression>,
        operator: Arithmetic,
        right: Box<Expression>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Comparison {
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl Arithmetic {
    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
        }
    }
}
