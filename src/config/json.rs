//! JSON as it was written: members in order, duplicates in sight, numbers with all their digits,
//! and where each stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Error, Number, Value};

/// Deepest nesting of a configuration.
const DEPTH: usize = 64;

/// A JSON value that keeps duplicate keys, which `serde_json::Value` would drop silently.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<(Offset, Json)>),
    Object(Vec<(Offset, String, Json)>),
}

/// Where an item or a key begins in the whole text, in bytes.
pub(crate) type Offset = usize;

impl Json {
    /// Reads a whole text.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Error> {
        // The first pass finds each mistake of syntax, with its line and column in the whole text.
        let raw: &RawValue = serde_json::from_slice(text)?;
        expand(raw, distance(text, raw), DEPTH)
    }

    /// Names the kind of value for an error message.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::Text(_) => "a string",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }
}

fn expand(raw: &RawValue, start: Offset, depth: usize) -> Result<Json, Error> {
    let text = raw.get();
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Error::custom(format!("nested more than {DEPTH} levels deep")));
    };
    let offset = |inner: &RawValue| start.saturating_add(distance(text.as_bytes(), inner));
    if text.starts_with('{') {
        let Members(members) = serde_json::from_str(text)?;
        let member = |(key, value): (&RawValue, &RawValue)| {
            let name = serde_json::from_str(key.get())?;
            Ok((offset(key), name, expand(value, offset(value), depth)?))
        };
        members.into_iter().map(member).collect::<Result<_, _>>().map(Json::Object)
    } else if text.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text)?;
        let item = |raw: &RawValue| Ok((offset(raw), expand(raw, offset(raw), depth)?));
        items.into_iter().map(item).collect::<Result<_, _>>().map(Json::List)
    } else {
        Ok(match serde_json::from_str(text)? {
            Value::Bool(value) => Json::Bool(value),
            Value::Number(value) => Json::Number(value),
            Value::String(value) => Json::Text(value),
            _ => Json::Null,
        })
    }
}

/// How far into a text a part of it begins.
fn distance(text: &[u8], part: &RawValue) -> Offset {
    part.get().as_ptr().addr().saturating_sub(text.as_ptr().addr())
}

struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            members.push(entry);
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_text_is_lost() {
        let json = Json::parse(br#" {"b": 1.10, "a": [12345678901234567890, null], "b": {}} "#);
        let number = |text: &str| Json::Number(text.parse().unwrap());
        assert_eq!(
            json.unwrap(),
            Json::Object(vec![
                (2, "b".to_owned(), number("1.10")),
                (
                    13,
                    "a".to_owned(),
                    Json::List(vec![(19, number("12345678901234567890")), (41, Json::Null)])
                ),
                (48, "b".to_owned(), Json::Object(vec![])),
            ])
        );
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(nested(64).as_bytes()).is_ok());
        let error = Json::parse(nested(65).as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "nested more than 64 levels deep");
        assert!(Json::parse(nested(200_000).as_bytes()).is_err());
    }
}
