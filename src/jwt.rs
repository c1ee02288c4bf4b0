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

/// The claims in a request's metadata, an encoded `envoy.config.core.v3.Metadata`; `None` when no
/// provider has written any. With several providers, the first by its key.
pub fn claims(metadata: &[u8]) -> Option<Value> {
    let metadata = Metadata::decode(metadata).ok()?;
    let mut payloads: Vec<_> = metadata.filter_metadata.get(FILTER)?.fields.iter().collect();
    payloads.sort_by_key(|(key, _)| key.as_str());
    payloads.into_iter().find_map(|(_, value)| match &value.kind {
        Some(Kind::StructValue(payload)) => Some(object(payload)),
        _ => None,
    })
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

    fn metadata(filter: &str, payload: Struct) -> Vec<u8> {
        let payload = structure(vec![("jwt_payload", Kind::StructValue(payload))]);
        Metadata { filter_metadata: [(filter.to_owned(), payload)].into() }.encode_to_vec()
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
        assert_eq!(
            claims(&metadata(FILTER, payload)),
            Some(json!({
                "sub": "alice", "exp": 1_795_219_200, "admin": true, "roles": ["a", 1.5],
                "none": null, "act": {"n": -2}
            }))
        );
    }

    #[test]
    fn without_claims_there_are_none() {
        assert_eq!(claims(&[]), None);
        assert_eq!(claims(b"\xff\xff"), None);
        assert_eq!(claims(&metadata("another.filter", Struct::default())), None);
    }
}
