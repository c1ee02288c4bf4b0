//! Application properties as header values: `"text"`, `42`, `3.14`, `true`.

use std::fmt::Write as _;

use crate::broker::PropertyValue;

/// Reads a header value. The error says what is wrong with it.
///
/// What Azure makes of a backslash other than `\"` is not known, so none is taken.
pub(super) fn parse(value: &str) -> Result<PropertyValue, &'static str> {
    if let Some(rest) = value.strip_prefix('"') {
        return parse_text(rest);
    }
    match value {
        "true" => return Ok(PropertyValue::Boolean(true)),
        "false" => return Ok(PropertyValue::Boolean(false)),
        _ => {}
    }
    match value.parse::<serde_json::Number>() {
        Ok(number) => PropertyValue::from_json(&number.into())
            .ok_or("a whole number must fit 64 bits with a sign"),
        Err(_) => Err("expected a string in double quotes, a number, true or false"),
    }
}

fn parse_text(rest: &str) -> Result<PropertyValue, &'static str> {
    let mut text = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' if characters.as_str().is_empty() => {
                return Ok(PropertyValue::Text(text.into()));
            }
            '"' => return Err("a double quote inside a string must be written \\\""),
            '\\' => match characters.next() {
                Some('"') => text.push('"'),
                _ => return Err("a backslash may only stand before a double quote"),
            },
            other => text.push(other),
        }
    }
    Err("the closing double quote is missing")
}

/// Writes a header value. A character that a header cannot carry is written as in JSON.
pub(super) fn render(value: &PropertyValue) -> String {
    match value {
        PropertyValue::Text(text) => ascii_json_string(text),
        other => escape_non_ascii(&other.to_json().to_string()),
    }
}

/// A JSON string in ASCII.
pub(super) fn ascii_json_string(text: &str) -> String {
    escape_non_ascii(&serde_json::Value::from(text).to_string())
}

/// JSON in ASCII.
pub(super) fn escape_non_ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() && character != '\u{7f}' {
            ascii.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_each_type_is_read() {
        let text = |text: &str| PropertyValue::Text(text.into());
        for (value, expected) in [
            (r#""world""#, text("world")),
            (r#""""#, text("")),
            (r#""This \"should\" work fine""#, text(r#"This "should" work fine"#)),
            ("\"Wed, 14 Dec 2011 00:00:00 GMT\"", text("Wed, 14 Dec 2011 00:00:00 GMT")),
            ("42", PropertyValue::Integer(42)),
            ("-7", PropertyValue::Integer(-7)),
            ("8555111000", PropertyValue::Integer(8_555_111_000)),
            ("2.25", PropertyValue::Float(2.25)),
            ("1e3", PropertyValue::Float(1000.0)),
            ("true", PropertyValue::Boolean(true)),
            ("false", PropertyValue::Boolean(false)),
        ] {
            assert_eq!(parse(value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        let kind = "expected a string in double quotes, a number, true or false";
        let backslash = "a backslash may only stand before a double quote";
        for (value, reason) in [
            ("High", kind),
            ("", kind),
            ("True", kind),
            ("none", kind),
            ("null", kind),
            ("0x10", kind),
            ("01", kind),
            (r#"{"$serde_json::private::Number":"1"}"#, kind),
            ("+1", kind),
            ("NaN", kind),
            ("'single'", kind),
            ("1, 2", kind),
            ("18446744073709551615", "a whole number must fit 64 bits with a sign"),
            (r#""open"#, "the closing double quote is missing"),
            (r#"""#, "the closing double quote is missing"),
            (r#""say "hi"""#, r#"a double quote inside a string must be written \""#),
            (r#""a", "b""#, r#"a double quote inside a string must be written \""#),
            (r#""a\b""#, backslash),
            (r#""a\\b""#, backslash),
            (r#""\u00e9""#, backslash),
            (r#""a\"#, backslash),
        ] {
            assert_eq!(parse(value), Err(reason), "{value}");
        }
    }

    #[test]
    fn what_a_header_cannot_carry_is_escaped() {
        let text = |text: &str| render(&PropertyValue::Text(text.into()));
        assert_eq!(text(r#"say "hi""#), r#""say \"hi\"""#);
        assert_eq!(text("é 日 😀"), r#""\u00e9 \u65e5 \ud83d\ude00""#);
        assert_eq!(text("a\nb\u{7f}"), r#""a\nb\u007f""#);
        assert_eq!(render(&PropertyValue::Integer(-7)), "-7");
        assert_eq!(render(&PropertyValue::Float(2.25)), "2.25");
        assert_eq!(render(&PropertyValue::Boolean(true)), "true");
    }
}
