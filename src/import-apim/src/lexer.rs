//! The words of C# as policy expressions use it.

use crate::position::Position;
use crate::units::Unit;

/// A word with its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) at: Position,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Name(String),
    Number(String),
    Text(String),
    /// `$"…{…}…"`.
    Joined(Vec<Piece>),
    Sign(&'static str),
    End,
}

/// A piece of an interpolated text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    Code(Vec<Token>),
}

/// What cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) at: Position,
    pub(crate) message: String,
}

/// The longest first.
const SIGNS: [&str; 39] = [
    "??=", "=>", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "++", "--", "+=", "-=", "(", ")",
    "[", "]", "{", "}", ".", ",", ";", ":", "?", "+", "-", "*", "/", "%", "<", ">", "=", "!", "&",
    "|", "^", "~", "@",
];

/// Reads words from the opening bracket at the start to the one that closes it; tells how many
/// characters that were. The brackets themselves are left out.
pub(crate) fn bracketed(units: &[Unit]) -> Result<(Vec<Token>, usize), Unreadable> {
    let mut lexer = Lexer { units, next: 1, depth: 0 };
    let tokens = lexer.until_closed()?;
    Ok((tokens, lexer.next))
}

struct Lexer<'a> {
    units: &'a [Unit],
    next: usize,
    /// Interpolated texts that lie one in the other.
    depth: usize,
}

const DEPTH: usize = 20;

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.units.get(self.next + ahead).map(|unit| unit.c)
    }

    fn at(&self) -> Position {
        self.units.get(self.next).or(self.units.last()).map_or(Position::START, |unit| unit.at)
    }

    fn unreadable<T>(&self, at: Position, message: &str) -> Result<T, Unreadable> {
        Err(Unreadable { at, message: message.to_owned() })
    }

    fn starts_with(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, c)| self.peek(ahead) == Some(c))
    }

    fn until_closed(&mut self) -> Result<Vec<Token>, Unreadable> {
        let start = self.at();
        let mut depth = 0_usize;
        let mut tokens = vec![];
        loop {
            self.skip_space();
            let at = self.at();
            let Some(c) = self.peek(0) else {
                return self.unreadable(start, "the expression does not end");
            };
            let kind = if c.is_alphabetic() || c == '_' {
                Kind::Name(self.while_(|c| c.is_alphanumeric() || c == '_'))
            } else if c.is_ascii_digit() {
                self.number()
            } else if let Some(kind) = self.text()? {
                kind
            } else {
                let Some(sign) = SIGNS.into_iter().find(|sign| self.starts_with(sign)) else {
                    return self.unreadable(at, &format!("{c:?} is not understood"));
                };
                self.next += sign.len();
                match sign {
                    "(" | "[" | "{" => depth += 1,
                    ")" | "]" | "}" if depth == 0 => {
                        tokens.push(Token { at, kind: Kind::End });
                        return Ok(tokens);
                    }
                    ")" | "]" | "}" => depth -= 1,
                    _ => {}
                }
                Kind::Sign(sign)
            };
            tokens.push(Token { at, kind });
        }
    }

    fn skip_space(&mut self) {
        loop {
            if self.peek(0).is_some_and(char::is_whitespace) {
                self.next += 1;
            } else if self.starts_with("//") {
                self.while_(|c| c != '\n');
            } else if self.starts_with("/*") {
                while !self.starts_with("*/") && self.peek(0).is_some() {
                    self.next += 1;
                }
                self.next += 2;
            } else {
                return;
            }
        }
    }

    fn while_(&mut self, fits: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while let Some(c) = self.peek(0).filter(|c| fits(*c)) {
            text.push(c);
            self.next += 1;
        }
        text
    }

    fn number(&mut self) -> Kind {
        let mut text = self.while_(|c| c.is_ascii_digit());
        if self.peek(0) == Some('.') && self.peek(1).is_some_and(|c| c.is_ascii_digit()) {
            self.next += 1;
            text.push('.');
            text.push_str(&self.while_(|c| c.is_ascii_digit()));
        }
        // The suffixes of C#'s types.
        self.while_(|c| "lLdDmMfFuU".contains(c));
        Kind::Number(text)
    }

    /// A text in any of its forms, if one begins here.
    fn text(&mut self) -> Result<Option<Kind>, Unreadable> {
        let forms = [("$@\"", true, true), ("@$\"", true, true), ("$\"", true, false)];
        let plain = [("@\"", false, true), ("\"", false, false)];
        let form = forms.into_iter().chain(plain).find(|(start, ..)| self.starts_with(start));
        if let Some((start, joined, verbatim)) = form {
            self.next += start.len();
            let pieces = self.pieces('"', joined, verbatim)?;
            return Ok(Some(if joined { Kind::Joined(pieces) } else { Kind::Text(whole(pieces)) }));
        }
        if self.peek(0) == Some('\'') {
            self.next += 1;
            return self.pieces('\'', false, false).map(|pieces| Some(Kind::Text(whole(pieces))));
        }
        Ok(None)
    }

    fn pieces(
        &mut self,
        quote: char,
        joined: bool,
        verbatim: bool,
    ) -> Result<Vec<Piece>, Unreadable> {
        let start = self.at();
        let mut pieces = vec![];
        let mut text = String::new();
        loop {
            let Some(c) = self.peek(0) else {
                return self.unreadable(start, "the text does not end");
            };
            let next = self.peek(1);
            self.next += 1;
            match c {
                _ if c == quote && verbatim && next == Some(quote) => {
                    self.next += 1;
                    text.push(quote);
                }
                _ if c == quote => {
                    pieces.push(Piece::Text(text));
                    return Ok(pieces);
                }
                '\\' if !verbatim => text.push(self.escape()?),
                '{' | '}' if joined && next == Some(c) => {
                    self.next += 1;
                    text.push(c);
                }
                '{' if joined => {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                    self.depth += 1;
                    if self.depth > DEPTH {
                        return self.unreadable(start, "nested too deep");
                    }
                    pieces.push(Piece::Code(self.until_closed()?));
                    self.depth -= 1;
                }
                _ => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Unreadable> {
        let at = self.at();
        let c = self.peek(0);
        self.next += 1;
        Ok(match c {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('0') => '\0',
            Some('a') => '\u{7}',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('v') => '\u{b}',
            Some('u') => return self.code(at, 4, 4),
            Some('U') => return self.code(at, 8, 8),
            Some('x') => return self.code(at, 1, 4),
            Some(c @ ('"' | '\'' | '\\')) => c,
            _ => return self.unreadable(at, "the escape is not understood"),
        })
    }

    /// A character by its number in hexadecimal digits.
    fn code(&mut self, at: Position, least: usize, most: usize) -> Result<char, Unreadable> {
        let digits: String =
            (0..most).map_while(|ahead| self.peek(ahead).filter(char::is_ascii_hexdigit)).collect();
        self.next += digits.len();
        let number = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() >= least);
        match number.and_then(char::from_u32) {
            Some(c) => Ok(c),
            None => self.unreadable(at, "the escape is not understood"),
        }
    }
}

fn whole(pieces: Vec<Piece>) -> String {
    let text = |piece| match piece {
        Piece::Text(text) => text,
        Piece::Code(_) => String::new(),
    };
    pieces.into_iter().map(text).collect()
}
