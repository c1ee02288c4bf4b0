//! C# expressions as policies use them, as trees.

use crate::text::Position;

/// An expression with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expr {
    pub(super) at: Position,
    pub(super) kind: ExprKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum ExprKind {
    Text(String),
    Number(String),
    Joined(Vec<Part>),
    Name(String),
    /// The name with the type that it is called with, `As<string>`.
    Member(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Call(Box<Expr>, Vec<Expr>),
    /// `out var name`.
    Out(String),
    /// `new` with the name of a type, arguments and named members.
    New(String, Vec<Expr>, Vec<(String, Expr)>),
    Not(Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    Text(String),
    Expr(Expr),
}

/// One step of a block.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statement {
    /// A local variable.
    Local(String, Expr),
    /// `context.Variables["name"] = …`.
    Variable(Expr, Expr),
    Return(Expr),
}
