//! JSON that others have written: bodies, answers, claims.
//!
//! One reader for all of it, so that they agree on what a text says:
//!
//! - No key has a meaning. `serde_json` marks numbers and raw values in its data model by keys of
//!   its own, and takes a client's key of the same name for such a mark.
//! - Numbers keep their digits (`1.10`, `12345678901234567890`), members their order. An exponent
//!   is written as `e+5`.
//! - A key that stands twice in one object is an error: readers differ on which of the two counts,
//!   so that a firewall in front may have seen the other.
//! - More than 127 levels of nesting are an error, wherever they begin.
//! - A byte order mark before the text is ignored, as RFC 8259 section 8.1 allows.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Error, Map, Number, Value};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads a whole text.
///
/// # Errors
/// When it is not JSON, repeats a key or is nested too deep.
pub fn read(text: &[u8]) -> Result<Value, Error> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    serde_json::from_slice(text).map(|Plain(value)| value)
}

/// A value in which no key has a meaning.
struct Plain(Value);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PlainVisitor).map(Self)
    }
}

struct PlainVisitor;

impl<'de> Visitor<'de> for PlainVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Plain(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key()? {
            match key {
                Key::Text(key) => {
                    let Plain(value) = members.next_value()?;
                    if object.insert(key, value).is_some() {
                        return Err(A::Error::custom("a key stands twice in its object"));
                    }
                }
                Key::Number => {
                    let digits: String = members.next_value()?;
                    let number: Number = digits.parse().map_err(A::Error::custom)?;
                    return Ok(Value::Number(number));
                }
            }
        }
        Ok(Value::Object(object))
    }
}

/// A key of the text, or the mark by which `serde_json` hands over a number with its digits
/// (feature `arbitrary_precision`). Asked for bytes, it gives those of a key that stands in the
/// text, while its mark is a constant and remains a string.
enum Key {
    Number,
    Text(String),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_bytes<E: serde::de::Error>(self, key: &[u8]) -> Result<Key, E> {
        // A lone surrogate in an escape is no text.
        let key = std::str::from_utf8(key).map_err(|_| E::custom("a key is not Unicode"))?;
        Ok(Key::Text(key.to_owned()))
    }

    fn visit_str<E>(self, _: &str) -> Result<Key, E> {
        Ok(Key::Number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `serde_json`'s marks, plain and with an escape.
    const MARKS: [&str; 3] = [
        r#""$serde_json::private::Number""#,
        r#""$serde_json::private::RawValue""#,
        r#""\u0024serde_json::private::Number""#,
    ];

    /// What is read, written again.
    fn copy(text: &str) -> Result<String, Error> {
        read(text.as_bytes()).map(|value| value.to_string())
    }

    #[test]
    fn no_key_has_a_meaning() {
        for mark in MARKS {
            for value in [r#""15""#, r#""{\"a\":1}""#, r#""""#, "15", "{}", "null", r#"[{"a":1}]"#]
            {
                for (before, after) in [("", ""), (r#"{"a":["#, "]}"), (r#"{"a":1,"b":"#, "}")] {
                    let text = format!("{before}{{{mark}:{value}}}{after}");
                    let expected = text.replace("\\u0024", "$");
                    assert_eq!(copy(&text).unwrap(), expected, "{text}");
                }
            }
            let member = format!("{{{mark}:\"1\",\"b\":2}}").replace("\\u0024", "$");
            assert_eq!(copy(&member).unwrap(), member);
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        for number in ["0", "-0", "1.10", "12345678901234567890", "0.1000000000000000055511151"] {
            assert_eq!(copy(number).unwrap(), number);
            let list = format!("[{number},{{\"a\":{number}}}]");
            assert_eq!(copy(&list).unwrap(), list);
        }
        for (number, written) in [("1E5", "1e+5"), ("1e-5", "1e-5"), ("1.50e+400", "1.50e+400")] {
            assert_eq!(copy(number).unwrap(), written);
        }
    }

    #[test]
    fn a_key_stands_once_in_its_object() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"c":2,"\u0061":3}}]"#, r#"{"":1,"":2}"#] {
            let error = copy(text).unwrap_err().to_string();
            assert!(error.starts_with("a key stands twice"), "{text}: {error}");
        }
        assert!(copy(r#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn depth_has_a_limit_that_no_key_resets() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(copy(&nested(127)).is_ok());
        assert!(copy(&nested(128)).is_err());
        assert!(copy(&nested(200_000)).is_err());
        for mark in MARKS {
            let within = |outer: usize, inner: usize| {
                let (open, close) = ("[".repeat(outer), "]".repeat(outer));
                format!("{open}{{{mark}:{}}}{close}", nested(inner))
            };
            assert!(copy(&within(26, 100)).is_ok());
            assert!(copy(&within(27, 100)).is_err());
            let text = Value::from(nested(100));
            assert!(copy(&format!("{{{mark}:{text}}}")).is_ok());
        }
    }

    #[test]
    fn a_byte_order_mark_is_ignored_once() {
        assert_eq!(read(b"\xef\xbb\xbf{\"a\":1}").unwrap().to_string(), r#"{"a":1}"#);
        for text in [&b"\xef\xbb\xbf\xef\xbb\xbf1"[..], b"\xef\xbb1", b" \xef\xbb\xbf1", b""] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_no_json() {
        let cases: [&[u8]; 6] = [
            b"\"\xff\"",
            b"{\"\xff\":1}",
            br#"{"\ud800":1}"#,
            br#""\ud800""#,
            b"{\"a\":1}x",
            b"{\"a\" 1}",
        ];
        for text in cases {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    /// The text of any JSON, such keys among its own, at any depth.
    fn json() -> impl Strategy<Value = String> {
        let text = any::<String>().prop_map(|text| Value::from(text).to_string());
        let mark = prop::sample::select(MARKS.to_vec()).prop_map(|key| key.replace("\\u0024", "$"));
        let digits = prop_oneof!["-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?(e[+-][0-9]{1,3})?"];
        let word = prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned);
        let leaf = prop_oneof![text.clone(), digits, word];
        leaf.prop_recursive(6, 64, 6, move |inner| {
            let key = prop_oneof![text.clone(), mark.clone()];
            let object = prop::collection::vec((key, inner.clone()), 0..6).prop_map(|members| {
                let mut seen = std::collections::BTreeSet::new();
                let members = members.into_iter().filter(|(key, _)| seen.insert(key.clone()));
                let members: Vec<_> =
                    members.map(|(key, value)| format!("{key}:{value}")).collect();
                format!("{{{}}}", members.join(","))
            });
            let list = prop::collection::vec(inner, 0..6)
                .prop_map(|items| format!("[{}]", items.join(",")));
            prop_oneof![object, list]
        })
    }

    proptest! {
        #[test]
        fn json_goes_out_as_it_came_in(text in json()) {
            prop_assert_eq!(copy(&text).unwrap(), text);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
