//! Splits a text at its expressions.

use super::TemplateError;

/// A part of a text.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    /// What stands between `${` and `}`, and where it starts.
    Expression {
        source: &'a str,
        offset: usize,
    },
    Literal(String),
}

pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(found) = rest(text, at).find("${") {
        let start = at + found;
        let before = text.get(at..start).unwrap_or_default();
        if let Some(before) = before.strip_suffix('$') {
            literal.push_str(before);
            literal.push_str("${");
            at = start + 2;
            continue;
        }
        literal.push_str(before);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        let offset = start + 2;
        let Some(length) = expression_length(rest(text, offset)) else {
            let message = "`${` has no closing `}`".to_owned();
            return Err(TemplateError { offset: start, message });
        };
        let source = text.get(offset..offset + length).unwrap_or_default();
        if source.trim().is_empty() {
            return Err(TemplateError { offset: start, message: "`${}` is empty".to_owned() });
        }
        pieces.push(Piece::Expression { source, offset });
        at = offset + length + 1;
    }
    literal.push_str(rest(text, at));
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

fn rest(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default()
}

/// Bytes up to the brace that closes the expression: not one of a map, nor one in a string.
fn expression_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some(_), '\\') => {
                characters.next();
            }
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Piece<'_> {
        Piece::Literal(text.to_owned())
    }

    #[test]
    fn texts_are_split_at_their_expressions() {
        let expression = |source, offset| Piece::Expression { source, offset };
        let cases = [
            ("", vec![]),
            ("plain $5 {a}", vec![literal("plain $5 {a}")]),
            ("${a}", vec![expression("a", 2)]),
            (
                "x${a}y${b}",
                vec![literal("x"), expression("a", 3), literal("y"), expression("b", 8)],
            ),
            ("$${a}", vec![literal("${a}")]),
            ("$$${a}", vec![literal("$${a}")]),
            ("$${${a}", vec![literal("${"), expression("a", 5)]),
            ("${{'a': '}'}['a']}z", vec![expression("{'a': '}'}['a']", 2), literal("z")]),
            (r#"${"\"}"}"#, vec![expression(r#""\"}""#, 2)]),
            ("é${'日'}", vec![literal("é"), expression("'日'", 4)]),
        ];
        for (text, expected) in cases {
            assert_eq!(pieces(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_expression_must_end() {
        for (text, offset) in [("${", 0), ("a${b", 1), ("${'}", 0), ("${a}${{}", 4)] {
            let message = "`${` has no closing `}`".to_owned();
            assert_eq!(pieces(text), Err(TemplateError { offset, message }), "{text}");
        }
        let message = "`${}` is empty".to_owned();
        assert_eq!(pieces("a${ }"), Err(TemplateError { offset: 1, message }));
    }
}
