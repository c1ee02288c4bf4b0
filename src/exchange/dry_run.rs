//! The answer that shows a message instead of sending it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::forwarding::{Forwarding, Ready};
use crate::http::{Header, header};
use crate::message::Entity;
use crate::message::Outgoing;
use crate::reply::Reply;
use crate::route::{Destination, Route};

/// The request that Service Bus would get, without a token.
pub(super) fn request(destination: &Destination, entity: &Entity, message: &Outgoing) -> Value {
    let packed = message.alone();
    json!({
        "cluster": &*destination.cluster,
        "method": "POST",
        "path": &*entity.messages_path,
        "authority": &*destination.namespace,
        "headers": object(&packed.headers),
        "body": text(&packed.body),
    })
}

/// The answer with that request, and with what the client or the backend would get after it.
pub(super) fn shown(request: Value, route: &Route, ready: Ready, tracking_id: &str) -> Reply {
    let body = match (ready, &route.forward) {
        (Ready::Reply(reply), _) => {
            let reply = json!({
                "status": reply.status,
                "headers": object(&reply.headers),
                "body": text(&reply.body),
            });
            json!({"dryRun": true, "request": request, "reply": reply})
        }
        (Ready::Forward(headers), Some(forward)) => {
            let Forwarding { removed, added } =
                Forwarding::new(forward, headers, tracking_id, None);
            let forward = json!({"removed": removed, "headers": object(&added)});
            json!({"dryRun": true, "request": request, "forward": forward})
        }
        (Ready::Forward(_), None) => json!({"dryRun": true, "request": request}),
    };
    Reply {
        status: 200,
        headers: vec![
            header("content-type", "application/json"),
            header("cache-control", "no-store"),
            header("x-tracking-id", tracking_id.to_owned()),
        ],
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
