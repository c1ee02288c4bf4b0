//! The operator LIKE.

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// This character. Case matters.
    Literal(char),
    /// `_`: any one character.
    One,
    /// `%`: any characters, or none.
    Any,
}

/// Whether a text is like a pattern.
///
/// # Errors
/// The escape character stands before what needs no escape, or at the end.
pub(super) fn matches(text: &str, pattern: &str, escape: Option<char>) -> Result<bool, String> {
    let pattern = parts(pattern, escape)?;
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut in_pattern) = (0, 0);
    // Where the last `%` stands, and where the text after it was last tried.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(character) = text.get(at) {
        match pattern.get(in_pattern) {
            Some(Part::Any) => {
                retry = Some((in_pattern, at));
                in_pattern += 1;
                continue;
            }
            Some(Part::One) => {}
            Some(Part::Literal(wanted)) if wanted == character => {}
            _ => {
                let Some((any, from)) = retry else { return Ok(false) };
                retry = Some((any, from + 1));
                in_pattern = any + 1;
                at = from + 1;
                continue;
            }
        }
        at += 1;
        in_pattern += 1;
    }
    let rest = pattern.get(in_pattern..).unwrap_or_default();
    Ok(rest.iter().all(|part| *part == Part::Any))
}

fn parts(pattern: &str, escape: Option<char>) -> Result<Vec<Part>, String> {
    let mut parts = Vec::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        parts.push(if Some(character) == escape {
            match characters.next() {
                Some(next) if next == '%' || next == '_' || next == character => {
                    Part::Literal(next)
                }
                _ => {
                    return Err(format!(
                        "in the pattern {pattern:?} the escape character {character:?} does not \
                         stand before %, _ or itself"
                    ));
                }
            }
        } else {
            match character {
                '%' => Part::Any,
                '_' => Part::One,
                other => Part::Literal(other),
            }
        });
    }
    Ok(parts)
}
