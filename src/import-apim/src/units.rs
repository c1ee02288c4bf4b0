//! A policy's characters, entities decoded, each with its place.

use crate::position::Position;

/// One character.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    pub(crate) c: char,
    pub(crate) at: Position,
    /// Whether it was written as an entity, and so is no markup.
    pub(crate) escaped: bool,
}

const NAMED: [(&str, char); 5] =
    [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&quot;", '"'), ("&apos;", '\'')];

/// Decodes a whole file.
pub(crate) fn decode(text: &str) -> Vec<Unit> {
    let mut units = Vec::with_capacity(text.len());
    let (mut rest, mut at) = (text, Position::START);
    while let Some(c) = rest.chars().next() {
        let entity = if c == '&' { entity(rest) } else { None };
        let (length, meant) = entity.unwrap_or((c.len_utf8(), c));
        units.push(Unit { c: meant, at, escaped: entity.is_some() });
        let (taken, left) = rest.split_at_checked(length).unwrap_or((rest, ""));
        at = taken.chars().fold(at, Position::after);
        rest = left;
    }
    units
}

/// An entity at the start of a text: its length in bytes, and what it means.
fn entity(text: &str) -> Option<(usize, char)> {
    if let Some((name, c)) = NAMED.into_iter().find(|(name, _)| text.starts_with(name)) {
        return Some((name.len(), c));
    }
    let digits = text.strip_prefix("&#")?.split(';').next().filter(|digits| digits.len() < 9)?;
    let number = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    text.get(digits.len() + 2..)?.starts_with(';').then_some(())?;
    Some((digits.len() + 3, char::from_u32(number)?))
}
