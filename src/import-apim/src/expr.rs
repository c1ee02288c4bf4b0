//! C# expressions as policies use them, as trees.

use crate::position::Position;

/// An expression with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expr {
    pub(crate) at: Position,
    pub(crate) kind: ExprKind,
    /// How many lie one in the other.
    pub(crate) height: usize,
}

impl Expr {
    pub(crate) fn new(at: Position, kind: ExprKind) -> Self {
        let of = |parts: &[Self]| parts.iter().map(|one| one.height).max().unwrap_or(0);
        let inner = match &kind {
            ExprKind::Text(_) | ExprKind::Number(_) | ExprKind::Name(_) | ExprKind::Out(_) => 0,
            ExprKind::Joined(parts) => {
                let height =
                    |part: &Part| if let Part::Expr(expr) = part { expr.height } else { 0 };
                parts.iter().map(height).max().unwrap_or(0)
            }
            ExprKind::Member(one, _) | ExprKind::Not(one) => one.height,
            ExprKind::Index(one, other) | ExprKind::Binary(_, one, other) => {
                one.height.max(other.height)
            }
            ExprKind::Call(callee, arguments) => callee.height.max(of(arguments)),
            ExprKind::New(_, arguments, members) => {
                members.iter().map(|(_, one)| one.height).fold(of(arguments), usize::max)
            }
            ExprKind::Choice(one, two, three) => one.height.max(two.height).max(three.height),
        };
        Self { at, kind, height: inner + 1 }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ExprKind {
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
pub(crate) enum Part {
    Text(String),
    Expr(Expr),
}

/// One step of a block.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    /// A local variable.
    Local(String, Expr),
    /// `context.Variables["name"] = …`, `local["name"] = …`, `local = …`.
    Assign(Expr, Expr),
    /// `local.Add("name", …)`.
    Call(Expr),
    If(Expr, Vec<Statement>, Vec<Statement>),
    Return(Expr),
}
