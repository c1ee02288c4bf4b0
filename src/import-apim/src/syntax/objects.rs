//! Lists of arguments, and objects.

use super::Parser;
use crate::expr::{Expr, ExprKind};
use crate::lexer::{Kind, Unreadable};
use crate::position::Position;

impl Parser<'_> {
    pub(super) fn list(&mut self, end: &str) -> Result<Vec<Expr>, Unreadable> {
        let mut items = vec![];
        while !self.takes(end) {
            // The name of an argument.
            if matches!(self.kind(), Kind::Name(_)) && *self.ahead(1) == Kind::Sign(":") {
                self.next += 2;
            }
            let at = self.at();
            let out = matches!(self.kind(), Kind::Name(word) if word == "out");
            items.push(if out && matches!(self.ahead(1), Kind::Name(_)) {
                // The type of the variable, where it stands.
                self.next += if matches!(self.ahead(2), Kind::Name(_)) { 2 } else { 1 };
                Expr::new(at, ExprKind::Out(self.name()?))
            } else {
                self.expr()?
            });
            if !self.takes(",") && !self.sees(end) {
                return self.unexpected();
            }
        }
        Ok(items)
    }

    pub(super) fn new_object(&mut self, at: Position) -> Result<Expr, Unreadable> {
        let mut name = String::new();
        if let Kind::Name(_) = self.kind() {
            name = self.name()?;
        }
        let arguments = if self.takes("(") { self.list(")")? } else { vec![] };
        let mut members = vec![];
        if self.takes("{") {
            while !self.takes("}") {
                members.push(self.new_member()?);
                if !self.takes(",") && !self.sees("}") {
                    return self.unexpected();
                }
            }
        }
        Ok(Expr::new(at, ExprKind::New(name, arguments, members)))
    }

    /// `a = value`, `["a"] = value`, `{"a", value}`, or a value that brings its own name.
    fn new_member(&mut self) -> Result<(String, Expr), Unreadable> {
        if let (Kind::Sign("{"), Kind::Text(name)) = (self.kind(), self.ahead(1)) {
            let name = name.clone();
            self.next += 2;
            self.expect(",")?;
            let value = self.expr()?;
            self.expect("}")?;
            return Ok((name, value));
        }
        if let (Kind::Name(name), Kind::Sign("=")) = (self.kind(), self.ahead(1)) {
            let name = name.clone();
            self.next += 2;
            return Ok((name, self.expr()?));
        }
        if let (Kind::Sign("["), Kind::Text(name)) = (self.kind(), self.ahead(1)) {
            let name = name.clone();
            self.next += 2;
            self.expect("]")?;
            self.expect("=")?;
            return Ok((name, self.expr()?));
        }
        let value = self.expr()?;
        match &value.kind {
            ExprKind::Name(name) | ExprKind::Member(_, name) => Ok((name.clone(), value)),
            _ => self.unexpected(),
        }
    }
}
