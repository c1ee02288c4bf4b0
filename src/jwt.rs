//! Claims of a JSON web token, as Envoy's `jwt_authn` leaves them in dynamic metadata.

use std::collections::HashMap;

use prost::Message;
use prost_types::value::Kind;
use prost_types::{Struct, Value as Proto};
use serde_json::{Map, Number, Value};

/// `envoy.config.core.v3.Metadata`.
#[derive(Message)]
struct Metadata {
    #[prost(map = "string, message", tag = "1")]
    filter_metadata: HashMap<String, Struct>,
}

/// Where `jwt_authn` writes; the key below it is the provider's `payload_in_metadata`.
const FILTER: &str = "envoy.filters.http.jwt_authn";
/// The name that Envoy's documentation gives a payload, and the one that Istio always takes.
const USUAL_KEYS: [&str; 2] = ["jwt_payload", "payload"];

/// What is found of a token's claims.
#[derive(Clone, Debug, PartialEq)]
pub enum Claims {
    /// No provider has written any.
    Absent,
    /// Under these keys stands something, and which are the claims is not known: `jwt_authn` also
    /// leaves a token's header there, or why it has failed.
    Ambiguous(Vec<String>),
    /// The claims.
    Found(Value),
}

/// The claims in a request's metadata, an encoded `envoy.config.core.v3.Metadata`, under a key.
/// Without one they are what stands under a usual key, or else the only struct there.
pub fn claims(metadata: &[u8], key: Option<&str>) -> Claims {
    let metadata = Metadata::decode(metadata).unwrap_or_default();
    let Some(written) = metadata.filter_metadata.get(FILTER) else { return Claims::Absent };
    let of = |key: &str| match &written.fields.get(key)?.kind {
        Some(Kind::StructValue(payload)) => Some(payload),
        _ => None,
    };
    let found = |payload: &Struct| Claims::Found(object(payload));
    if let Some(key) = key {
        return of(key).map_or(Claims::Absent, found);
    }
    if let Some(payload) = USUAL_KEYS.into_iter().find_map(of) {
        return found(payload);
    }
    let mut keys: Vec<_> = written.fields.keys().filter(|key| of(key).is_some()).collect();
    keys.sort();
    match keys.as_slice() {
        [] => Claims::Absent,
        [only] => of(only).map_or(Claims::Absent, found),
        _ => Claims::Ambiguous(keys.into_iter().cloned().collect()),
    }
}

fn object(value: &Struct) -> Value {
    let mut members: Vec<_> = value.fields.iter().collect();
    members.sort_by_key(|(key, _)| key.as_str());
    let json = members.into_iter().map(|(key, value)| (key.clone(), json(value)));
    Value::Object(json.collect::<Map<_, _>>())
}

fn json(value: &Proto) -> Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(*value),
        Some(Kind::NumberValue(value)) => number(*value),
        Some(Kind::StringValue(text)) => Value::String(text.clone()),
        Some(Kind::ListValue(list)) => Value::Array(list.values.iter().map(json).collect()),
        Some(Kind::StructValue(value)) => object(value),
    }
}

/// Protobuf has doubles alone; a whole number is written without fraction, as the token had it.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() <= EXACT {
        let digits = format!("{value:.0}");
        return digits.parse::<i64>().map_or(Value::Null, |whole| Value::Number(whole.into()));
    }
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn proto(kind: Kind) -> Proto {
        Proto { kind: Some(kind) }
    }

    fn structure(fields: Vec<(&str, Kind)>) -> Struct {
        let fields = fields.into_iter().map(|(key, kind)| (key.to_owned(), proto(kind)));
        Struct { fields: fields.collect() }
    }

    fn metadata(filter: &str, written: Struct) -> Vec<u8> {
        Metadata { filter_metadata: [(filter.to_owned(), written)].into() }.encode_to_vec()
    }

    /// A struct that names its key.
    fn named(key: &'static str) -> (&'static str, Kind) {
        (key, Kind::StructValue(structure(vec![("key", Kind::StringValue(key.to_owned()))])))
    }

    #[test]
    fn claims_keep_their_types() {
        let roles = prost_types::ListValue {
            values: vec![proto(Kind::StringValue("a".to_owned())), proto(Kind::NumberValue(1.5))],
        };
        let payload = structure(vec![
            ("sub", Kind::StringValue("alice".to_owned())),
            ("exp", Kind::NumberValue(1_795_219_200.0)),
            ("admin", Kind::BoolValue(true)),
            ("roles", Kind::ListValue(roles)),
            ("none", Kind::NullValue(0)),
            ("act", Kind::StructValue(structure(vec![("n", Kind::NumberValue(-2.0))]))),
        ]);
        let written = structure(vec![("jwt_payload", Kind::StructValue(payload))]);
        assert_eq!(
            claims(&metadata(FILTER, written), None),
            Claims::Found(json!({
                "sub": "alice", "exp": 1_795_219_200, "admin": true, "roles": ["a", 1.5],
                "none": null, "act": {"n": -2}
            }))
        );
    }

    #[test]
    fn without_claims_there_are_none() {
        for key in [None, Some("jwt_payload")] {
            assert_eq!(claims(&[], key), Claims::Absent);
            assert_eq!(claims(b"\xff\xff", key), Claims::Absent);
            let elsewhere = metadata("another.filter", structure(vec![named("jwt_payload")]));
            assert_eq!(claims(&elsewhere, key), Claims::Absent);
        }
    }

    #[test]
    fn claims_are_told_from_what_else_stands_there() {
        let text = ("failure", Kind::StringValue("expired".to_owned()));
        let found = |key: &str| Claims::Found(json!({"key": key}));
        let ambiguous =
            |keys: &[&str]| Claims::Ambiguous(keys.iter().map(|key| (*key).to_owned()).collect());
        let cases = [
            (
                None,
                vec![named("a_header"), named("jwt_payload"), named("payload")],
                found("jwt_payload"),
            ),
            (None, vec![named("a_header"), named("payload")], found("payload")),
            (None, vec![named("auth0"), text.clone()], found("auth0")),
            (None, vec![named("b"), named("a_header")], ambiguous(&["a_header", "b"])),
            (None, vec![text.clone()], Claims::Absent),
            (None, vec![("jwt_payload", text.1.clone()), named("payload")], found("payload")),
            (Some("auth0"), vec![named("auth0"), named("jwt_payload")], found("auth0")),
            // Named, it is that key or none.
            (Some("auth0"), vec![named("jwt_payload")], Claims::Absent),
            (Some("failure"), vec![named("jwt_payload"), text], Claims::Absent),
        ];
        for (key, written, expected) in cases {
            let shown = format!("{key:?} {written:?}");
            assert_eq!(claims(&metadata(FILTER, structure(written)), key), expected, "{shown}");
        }
    }
}
