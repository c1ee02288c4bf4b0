//! Policies as API Management takes them: XML, but for expressions, whose quotes and angle brackets
//! need no entities.

use crate::lexer::{self, Unreadable};
use crate::position::Position;
use crate::units::Unit;
use crate::within::Within;

mod element;

use element::Attribute;
pub(crate) use element::{Content, ContentKind, Element, Unread};

/// Deepest nesting of elements.
const DEPTH: usize = 100;

/// Reads all elements of a file, as children of one without a name.
pub(crate) fn read(units: &[Unit]) -> Result<Element, Unreadable> {
    let mut reader = Reader { units, next: 0 };
    let mut root = Element::new(String::new(), Position::START);
    reader.inside(&mut root, 0)?;
    root.dismiss_itself();
    Ok(root)
}

struct Reader<'a> {
    units: &'a [Unit],
    next: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &[Unit] {
        self.units.get(self.next..).unwrap_or_default()
    }

    fn at(&self) -> Position {
        self.rest().first().or(self.units.last()).map_or(Position::START, |unit| unit.at)
    }

    /// Whether markup begins here.
    fn sees(&self, text: &str) -> bool {
        let mut units = self.rest().iter();
        text.chars().all(|c| units.next().is_some_and(|unit| unit.c == c && !unit.escaped))
    }

    fn takes(&mut self, text: &str) -> bool {
        let sees = self.sees(text);
        self.next += if sees { text.chars().count() } else { 0 };
        sees
    }

    fn fail<T>(&self, at: Position, message: impl Into<String>) -> Result<T, Unreadable> {
        Err(Unreadable { at, message: message.into() })
    }

    fn while_(&mut self, fits: impl Fn(&Unit) -> bool) -> String {
        let text: String = self.rest().iter().take_while(|u| fits(u)).map(|unit| unit.c).collect();
        self.next += text.chars().count();
        text
    }

    fn skip_past(&mut self, end: &str) -> Result<(), Unreadable> {
        let at = self.at();
        while !self.takes(end) {
            if self.rest().is_empty() {
                return self.fail(at, format!("expected {end:?}"));
            }
            self.next += 1;
        }
        Ok(())
    }

    /// Reads what stands in an element, up to its end.
    fn inside(&mut self, element: &mut Element, depth: usize) -> Result<(), Unreadable> {
        loop {
            let at = self.at();
            if self.rest().is_empty() {
                let open = element.name.clone();
                return if depth == 0 {
                    Ok(())
                } else {
                    self.fail(element.at, format!("<{open}> is not closed"))
                };
            }
            if self.takes("<!--") {
                self.skip_past("-->")?;
            } else if self.takes("<![CDATA[") {
                let start = self.next;
                self.skip_past("]]>")?;
                let inner = self.units.get(start..self.next - 3).unwrap_or_default();
                let text: String = inner.iter().map(|unit| unit.c).collect();
                element.add(at, ContentKind::Text(text));
            } else if self.takes("<?") {
                self.skip_past("?>")?;
            } else if self.takes("</") {
                let name = self.name();
                self.while_(|unit| unit.c.is_whitespace());
                if name != element.name || !self.takes(">") {
                    return self.fail(at, format!("</{name}> closes no element"));
                }
                return Ok(());
            } else if self.sees("<") {
                let child = self.element(depth + 1)?;
                element.children.push(child);
            } else if let Some(kind) = self.expression(&Within::Element(&element.name)) {
                element.add(at, kind);
            } else {
                let text = self.while_(|unit| unit.c != '<' || unit.escaped);
                element.add(at, ContentKind::Text(text));
            }
            if !element.has_content() {
                self.while_(|unit| unit.c.is_whitespace() && !unit.escaped);
            }
        }
    }

    fn name(&mut self) -> String {
        self.while_(|unit| unit.c.is_alphanumeric() || "-_.:".contains(unit.c))
    }

    fn element(&mut self, depth: usize) -> Result<Element, Unreadable> {
        let at = self.at();
        if depth > DEPTH {
            return self.fail(at, format!("nested more than {DEPTH} levels deep"));
        }
        self.next += 1;
        let name = self.name();
        if name.is_empty() {
            return self.fail(at, "expected the name of an element after <");
        }
        let mut element = Element::new(name, at);
        loop {
            self.while_(|unit| unit.c.is_whitespace());
            if self.takes("/>") {
                return Ok(element);
            }
            if self.takes(">") {
                self.while_(|unit| unit.c.is_whitespace() && !unit.escaped);
                self.inside(&mut element, depth)?;
                return Ok(element);
            }
            let attribute = self.attribute()?;
            element.push(attribute);
        }
    }

    fn attribute(&mut self) -> Result<Attribute, Unreadable> {
        let place = self.at();
        let at = place;
        let name = self.name();
        self.while_(|unit| unit.c.is_whitespace());
        let equals = self.takes("=");
        self.while_(|unit| unit.c.is_whitespace());
        let Some(quote) = self.rest().first().map(|unit| unit.c).filter(|c| "\"'".contains(*c))
        else {
            return self.fail(at, "expected an attribute");
        };
        if name.is_empty() || !equals {
            return self.fail(at, "expected an attribute");
        }
        self.next += 1;
        let at = self.at();
        let kind = match self.expression(&Within::Attribute(quote)) {
            Some(kind) => kind,
            None => ContentKind::Text(self.while_(|unit| unit.c != quote || unit.escaped)),
        };
        if !self.takes(&quote.to_string()) {
            return self.fail(at, format!("expected {quote} after the value"));
        }
        Ok(Attribute::new(name, place, Content { at, kind }))
    }

    /// An expression, if one begins here. One that cannot be read, or that seems to reach beyond what
    /// it stands in, ends where that does.
    fn expression(&mut self, within: &Within<'_>) -> Option<ContentKind> {
        let statements = self.sees("@{");
        if !statements && !self.sees("@(") {
            return None;
        }
        let (start, at) = (self.next, self.at());
        self.next += 1;
        let unreadable = match lexer::bracketed(self.rest()) {
            Ok((tokens, length)) => {
                let units = self.rest().get(..length).unwrap_or_default();
                let beyond = match within {
                    Within::Element(_) => (0..length).any(|by| within.ends(units, by)),
                    Within::Attribute(_) => !within.ends(self.rest(), length),
                };
                if !beyond {
                    self.next += length;
                    return Some(match statements {
                        true => ContentKind::Statements(tokens),
                        false => ContentKind::Expression(tokens),
                    });
                }
                let message = "the expression does not end where it stands".to_owned();
                Unreadable { at, message }
            }
            Err(unreadable) => unreadable,
        };
        self.next = start;
        while !self.rest().is_empty() && !within.ends(self.rest(), 0) {
            self.next += 1;
        }
        Some(ContentKind::Unreadable(unreadable))
    }
}
