//! The answer that shows a message instead of sending it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::config::{Destination, Entity};
use crate::headers::{Header, header};
use crate::message::Outgoing;
use crate::reply::Reply;

/// The request that Service Bus would get, without a token, and the answer that its 201 would
/// bring the client.
pub(super) fn shown(
    destination: &Destination,
    entity: &Entity,
    message: &Outgoing,
    reply: &Reply,
) -> Reply {
    let packed = message.alone();
    let body = json!({
        "dryRun": true,
        "request": {
            "cluster": &*destination.cluster,
            "method": "POST",
            "path": &*entity.messages_path,
            "authority": &*destination.namespace,
            "headers": object(&packed.headers),
            "body": text(&packed.body),
        },
        "reply": {
            "status": reply.status,
            "headers": object(&reply.headers),
            "body": text(&reply.body),
        },
    });
    let mut headers =
        vec![header("content-type", "application/json"), header("cache-control", "no-store")];
    headers.extend(reply.headers.iter().filter(|(name, _)| name == "x-tracking-id").cloned());
    Reply {
        status: 200,
        headers,
        body: body.to_string().into_bytes(),
        grpc_status: None,
        details: "service_bus_dry_run".into(),
    }
}

fn object(headers: &[Header]) -> Value {
    let member = |(name, value): &Header| (name.clone().into_owned(), value.as_ref().into());
    let members = headers.iter().map(member);
    Value::Object(members.collect::<Map<_, _>>())
}

/// Text as it is, anything else in base64.
fn text(body: &[u8]) -> Value {
    match std::str::from_utf8(body) {
        Ok(text) => text.into(),
        Err(_) => json!({"base64": STANDARD.encode(body)}),
    }
}
