//! Reads the words of C# as trees.

mod objects;

use crate::expr::{Expr, ExprKind, Part, Statement};
use crate::lexer::{Kind, Piece, Token, Unreadable};
use crate::position::Position;

/// Reads one expression.
pub(crate) fn expression(tokens: &[Token]) -> Result<Expr, Unreadable> {
    whole(tokens, 0)
}

fn whole(tokens: &[Token], depth: usize) -> Result<Expr, Unreadable> {
    let mut parser = Parser { tokens, next: 0, depth };
    let expr = parser.expr()?;
    match parser.kind() {
        Kind::End => Ok(expr),
        _ => parser.unexpected(),
    }
}

/// Reads the steps of a block.
pub(crate) fn statements(tokens: &[Token]) -> Result<Vec<Statement>, Unreadable> {
    let mut parser = Parser { tokens, next: 0, depth: 0 };
    let mut statements = vec![];
    while *parser.kind() != Kind::End {
        statements.push(parser.statement()?);
    }
    Ok(statements)
}

const TYPES: [&str; 27] = [
    "string",
    "String",
    "int",
    "long",
    "double",
    "decimal",
    "bool",
    "object",
    "JObject",
    "JArray",
    "JToken",
    "JValue",
    "IResponse",
    "Jwt",
    "DateTime",
    "Guid",
    "float",
    "Int32",
    "Int64",
    "Boolean",
    "JsonElement",
    "var",
    "JProperty",
    "Dictionary",
    "IDictionary",
    "IEnumerable",
    "TimeSpan",
];
/// By how strongly they bind.
const OPERATORS: [&[&str]; 7] = [
    &["??"],
    &["||"],
    &["&&"],
    &["==", "!="],
    &["<", ">", "<=", ">="],
    &["+", "-"],
    &["*", "/", "%"],
];
/// How deep the reader calls itself, and how high a tree may be: what works on one calls itself too,
/// and chains such as `a + a + …` are read without a call.
const DEPTH: usize = 60;
const HEIGHT: usize = 250;
const END: Kind = Kind::End;

struct Parser<'a> {
    tokens: &'a [Token],
    next: usize,
    depth: usize,
}

/// What `(string)` yields.
fn text_of(inner: Expr) -> Expr {
    let at = inner.at;
    let member = ExprKind::Member(Box::new(inner), "ToString".to_owned());
    let callee = Box::new(Expr::new(at, member));
    Expr::new(at, ExprKind::Call(callee, vec![]))
}

impl Parser<'_> {
    fn ahead(&self, by: usize) -> &Kind {
        self.tokens.get(self.next + by).map_or(&END, |token| &token.kind)
    }

    fn kind(&self) -> &Kind {
        self.ahead(0)
    }

    fn at(&self) -> Position {
        let token = self.tokens.get(self.next).or(self.tokens.last());
        token.map_or(Position::START, |token| token.at)
    }

    fn unexpected<T>(&self) -> Result<T, Unreadable> {
        let found = match self.kind() {
            Kind::Name(name) => format!("`{name}`"),
            Kind::Sign(sign) => format!("`{sign}`"),
            Kind::Number(_) => "a number".to_owned(),
            Kind::Text(_) | Kind::Joined(_) => "a text".to_owned(),
            Kind::End => "the end".to_owned(),
        };
        Err(Unreadable { at: self.at(), message: format!("{found} is not understood here") })
    }

    fn sees(&self, sign: &str) -> bool {
        matches!(self.kind(), Kind::Sign(other) if *other == sign)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let sees = self.sees(sign);
        self.next += usize::from(sees);
        sees
    }

    fn expect(&mut self, sign: &str) -> Result<(), Unreadable> {
        if self.takes(sign) { Ok(()) } else { self.unexpected() }
    }

    fn name(&mut self) -> Result<String, Unreadable> {
        let Kind::Name(name) = self.kind() else { return self.unexpected() };
        let name = name.clone();
        self.next += 1;
        Ok(name)
    }

    fn statement(&mut self) -> Result<Statement, Unreadable> {
        let statement = match (self.kind(), self.ahead(1), self.ahead(2)) {
            (Kind::Name(word), ..) if word == "if" => return self.condition(),
            (Kind::Name(word), ..) if word == "return" => {
                self.next += 1;
                Statement::Return(self.expr()?)
            }
            (Kind::Name(kind), Kind::Name(name), Kind::Sign("="))
                if TYPES.contains(&kind.as_str()) =>
            {
                let name = name.clone();
                self.next += 3;
                Statement::Local(name, self.expr()?)
            }
            (Kind::Name(_), ..) => {
                let target = self.expr()?;
                if self.sees(";") && matches!(target.kind, ExprKind::Call(..)) {
                    Statement::Call(target)
                } else {
                    self.expect("=")?;
                    Statement::Assign(target, self.expr()?)
                }
            }
            _ => return self.unexpected(),
        };
        self.expect(";")?;
        Ok(statement)
    }

    /// `if (…) { … } else { … }`.
    fn condition(&mut self) -> Result<Statement, Unreadable> {
        self.deeper()?;
        self.next += 1;
        self.expect("(")?;
        let condition = self.expr()?;
        self.expect(")")?;
        let then = self.block()?;
        let has_else = matches!(self.kind(), Kind::Name(word) if word == "else");
        self.next += usize::from(has_else);
        let otherwise = if has_else { self.block()? } else { vec![] };
        self.depth -= 1;
        Ok(Statement::If(condition, then, otherwise))
    }

    fn block(&mut self) -> Result<Vec<Statement>, Unreadable> {
        if !self.takes("{") {
            return Ok(vec![self.statement()?]);
        }
        let mut statements = vec![];
        while !self.takes("}") {
            statements.push(self.statement()?);
        }
        Ok(statements)
    }

    /// Counts what calls itself for a part of itself.
    fn deeper(&mut self) -> Result<(), Unreadable> {
        self.depth += 1;
        if self.depth > DEPTH { self.too_deep() } else { Ok(()) }
    }

    fn too_deep<T>(&self) -> Result<T, Unreadable> {
        Err(Unreadable { at: self.at(), message: "nested too deep".to_owned() })
    }

    fn expr(&mut self) -> Result<Expr, Unreadable> {
        self.deeper()?;
        let at = self.at();
        let mut expr = self.binary(0)?;
        if self.takes("?") {
            let yes = self.expr()?;
            self.expect(":")?;
            let no = self.expr()?;
            let kind = ExprKind::Choice(Box::new(expr), Box::new(yes), Box::new(no));
            expr = Expr::new(at, kind);
        }
        self.depth -= 1;
        Ok(expr)
    }

    fn binary(&mut self, level: usize) -> Result<Expr, Unreadable> {
        let Some(operators) = OPERATORS.get(level) else { return self.unary() };
        let at = self.at();
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|sign| self.sees(sign)) {
            self.next += 1;
            // The first alone goes from the right to the left.
            self.deeper()?;
            let right = self.binary(if level == 0 { level } else { level + 1 })?;
            self.depth -= 1;
            let kind = ExprKind::Binary(operator, Box::new(left), Box::new(right));
            left = Expr::new(at, kind);
            if left.height > HEIGHT {
                return self.too_deep();
            }
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Unreadable> {
        let at = self.at();
        if self.takes("!") {
            self.deeper()?;
            let kind = ExprKind::Not(Box::new(self.unary()?));
            self.depth -= 1;
            return Ok(Expr::new(at, kind));
        }
        if self.takes("-") {
            let Kind::Number(number) = self.kind() else { return self.unexpected() };
            let kind = ExprKind::Number(format!("-{number}"));
            self.next += 1;
            return Ok(Expr::new(at, kind));
        }
        if let Some(length) = self.cast() {
            let to_text =
                matches!(self.ahead(1), Kind::Name(name) if name.eq_ignore_ascii_case("string"));
            self.next += length;
            self.deeper()?;
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(if to_text { text_of(inner) } else { inner });
        }
        let primary = self.primary()?;
        self.postfix(primary)
    }

    /// The length of a cast, if one stands here. One to another type than a text yields the value all
    /// the same.
    fn cast(&self) -> Option<usize> {
        let Kind::Name(name) = self.ahead(1) else { return None };
        let known = self.sees("(") && TYPES.contains(&name.as_str());
        let plain = |kind: &Kind| matches!(kind, Kind::Name(_) | Kind::Sign("," | "<" | ">" | "?"));
        // A type's own types, or a question mark.
        let end = (2..12).find(|by| !plain(self.ahead(*by))).unwrap_or(2);
        (known && matches!(self.ahead(end), Kind::Sign(")"))).then_some(end + 1)
    }

    fn primary(&mut self) -> Result<Expr, Unreadable> {
        let at = self.at();
        let kind = match self.kind().clone() {
            Kind::Text(text) => ExprKind::Text(text),
            Kind::Number(number) => ExprKind::Number(number),
            Kind::Joined(pieces) => {
                let part = |piece| match piece {
                    Piece::Text(text) => Ok(Part::Text(text)),
                    Piece::Code(tokens) => whole(&tokens, self.depth).map(Part::Expr),
                };
                ExprKind::Joined(pieces.into_iter().map(part).collect::<Result<_, _>>()?)
            }
            Kind::Name(name) if name == "new" => {
                self.next += 1;
                return self.new_object(at);
            }
            Kind::Name(name) => ExprKind::Name(name),
            Kind::Sign("(") => {
                self.next += 1;
                let inner = self.expr()?;
                self.expect(")")?;
                return Ok(inner);
            }
            _ => return self.unexpected(),
        };
        self.next += 1;
        Ok(Expr::new(at, kind))
    }

    fn postfix(&mut self, mut expr: Expr) -> Result<Expr, Unreadable> {
        loop {
            let at = expr.at;
            let kind = if self.takes(".") || self.takes("?.") {
                let mut name = self.name()?;
                name.push_str(&self.type_arguments());
                ExprKind::Member(Box::new(expr), name)
            } else if self.takes("(") {
                ExprKind::Call(Box::new(expr), self.list(")")?)
            } else if self.sees("[") || self.sees("?") && *self.ahead(1) == Kind::Sign("[") {
                self.next += if self.sees("?") { 2 } else { 1 };
                let index = self.expr()?;
                self.expect("]")?;
                ExprKind::Index(Box::new(expr), Box::new(index))
            } else {
                return Ok(expr);
            };
            expr = Expr::new(at, kind);
            if expr.height > HEIGHT {
                return self.too_deep();
            }
        }
    }

    /// Reads `<string>` before the arguments of a call.
    fn type_arguments(&mut self) -> String {
        let plain = |kind: &Kind| matches!(kind, Kind::Name(_) | Kind::Sign("." | "," | "?"));
        let length = (1..12).take_while(|by| plain(self.ahead(*by))).count();
        let called = self.ahead(length + 1) == &Kind::Sign(">")
            && self.ahead(length + 2) == &Kind::Sign("(");
        let Kind::Name(name) = self.ahead(length) else { return String::new() };
        if !self.sees("<") || !called {
            return String::new();
        }
        let text = format!("<{name}>");
        self.next += length + 2;
        text
    }
}
