//! What stands percent-encoded in a path and its query.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::EvalError;

/// Decodes a part of a path.
pub(super) fn decode(text: &str) -> Result<String, EvalError> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        let digits = after.as_bytes().first_chunk::<2>();
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(EvalError::Undecodable);
        }
        rest = after;
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| EvalError::Undecodable)?;
    Ok(decoded.into_owned())
}

/// Decodes a part of a query, as of a form.
fn decode_form(text: &str) -> Result<String, EvalError> {
    decode(&text.replace('+', " "))
}

/// The first parameter of a name. Others need not be well encoded.
pub(super) fn parameter(query: &str, name: &str) -> Result<Option<String>, EvalError> {
    let of_name = |(key, _): &(&str, &str)| decode_form(key).is_ok_and(|key| key == name);
    pairs(query).find(of_name).map(|(_, value)| decode_form(value)).transpose()
}

/// All parameters; the first of a name counts.
pub(super) fn parameters(query: &str) -> Result<Map<String, Value>, EvalError> {
    let mut parameters = Map::new();
    for (name, value) in pairs(query) {
        let value = decode_form(value)?;
        parameters.entry(decode_form(name)?).or_insert(Value::String(value));
    }
    Ok(parameters)
}

fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let filled = query.split('&').filter(|pair| !pair.is_empty());
    filled.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_well_encoded_is_decoded() {
        let cases =
            [("", ""), ("a+b", "a+b"), ("%41%c3%a9%2F", "Aé/"), ("é", "é"), ("%2541", "%41")];
        for (text, decoded) in cases {
            assert_eq!(decode(text).as_deref(), Ok(decoded), "{text}");
        }
        for text in ["%", "%4", "%zz", "%4g", "100%", "%ff", "a%c3", "%é1"] {
            assert_eq!(decode(text), Err(EvalError::Undecodable), "{text}");
        }
    }

    #[test]
    fn the_first_parameter_of_a_name_counts() {
        let query = "a=1+2&b&&%61=3&c=%ff&d%zz=1";
        let found = |name| parameter(query, name);
        assert_eq!(found("a"), Ok(Some("1 2".to_owned())));
        assert_eq!(found("b"), Ok(Some(String::new())));
        assert_eq!(found("c"), Err(EvalError::Undecodable));
        assert_eq!(found("d"), Ok(None));
        assert_eq!(parameters(query), Err(EvalError::Undecodable));
        let all = parameters("a=1&b=%20&a=2").map(Value::Object);
        assert_eq!(all, Ok(serde_json::json!({"a": "1", "b": " "})));
    }
}
