//! Where an expression ends at the latest.

use crate::units::Unit;

/// What an expression stands in.
pub(crate) enum Within<'a> {
    /// An element, by its name.
    Element(&'a str),
    /// An attribute, by its quote, which may stand in the expression too.
    Attribute(char),
}

impl Within<'_> {
    /// Whether it ends at an index.
    pub(crate) fn ends(&self, units: &[Unit], index: usize) -> bool {
        let mut rest = units.get(index..).unwrap_or_default().iter();
        match self {
            Self::Element(name) => {
                let end = ['<', '/'].into_iter().chain(name.chars());
                end.into_iter()
                    .all(|c| rest.next().is_some_and(|unit| unit.c == c && !unit.escaped))
            }
            Self::Attribute(quote) => {
                if !rest.next().is_some_and(|unit| unit.c == *quote && !unit.escaped) {
                    return false;
                }
                let mut rest = rest.map(|unit| unit.c).peekable();
                let mut space = false;
                while rest.next_if(|c| c.is_whitespace()).is_some() {
                    space = true;
                }
                match rest.next() {
                    Some('>') => true,
                    Some('/' | '?') => rest.next() == Some('>'),
                    // The next attribute.
                    Some(c) if space && c.is_alphabetic() => {
                        while rest.next_if(|c| c.is_alphanumeric() || "-_.:".contains(*c)).is_some()
                        {
                        }
                        while rest.next_if(|c| c.is_whitespace()).is_some() {}
                        rest.next() == Some('=')
                            && rest.next().is_some_and(|c| "\"' \n".contains(c))
                    }
                    _ => false,
                }
            }
        }
    }
}
