//! Requests that no message can answer: they are refused as soon as their headers are here.

use crate::http::Headers;
use crate::outcome::{Failure, Reason};
use crate::reply::Reply;

/// `UNIMPLEMENTED`, what a server of gRPC says of a method that it does not have.
const UNIMPLEMENTED: u8 = 12;

/// Why a request cannot be taken. Of gRPC and its relatives the client would not understand the
/// answer and send again; an upgrade and a CONNECT have no end to wait for.
pub(super) fn refusal(headers: &Headers) -> Option<Failure> {
    let refused = |what| Some(Failure::of_request(Reason::InvalidMessage, what));
    if headers.first(":method") == Some(b"CONNECT") || headers.first(":protocol").is_some() {
        return refused("CONNECT cannot be sent as a message");
    }
    if headers.first("upgrade").is_some() && names(headers, "connection", "upgrade") {
        return refused("a request to upgrade the connection cannot be sent as a message");
    }
    if starts_with_grpc(headers) {
        return refused("a gRPC request cannot be sent as a message");
    }
    None
}

/// The answer as the client can read it. Envoy writes one to gRPC as trailers alone, its text in
/// `grpc-message`.
pub(super) fn readable(reply: Reply, headers: &Headers, failure: &Failure) -> Reply {
    // Envoy's own rule; what only begins so, such as gRPC-Web, gets an answer of HTTP.
    let rest = content_type(headers);
    let is_grpc =
        rest.strip_prefix(GRPC).is_some_and(|rest| rest.is_empty() || rest.starts_with('+'));
    if !is_grpc {
        return reply;
    }
    let kept = reply.headers.into_iter().filter(|(name, _)| name == "x-tracking-id");
    Reply {
        headers: kept.collect(),
        body: failure.detail.clone().unwrap_or_default().into_bytes(),
        grpc_status: Some(UNIMPLEMENTED),
        ..reply
    }
}

fn starts_with_grpc(headers: &Headers) -> bool {
    let value = headers.first("content-type").and_then(|value| value.get(..GRPC.len()));
    value.is_some_and(|start| start.eq_ignore_ascii_case(GRPC.as_bytes()))
}

const GRPC: &str = "application/grpc";

fn content_type(headers: &Headers) -> String {
    headers.first_text("content-type").unwrap_or_default().to_ascii_lowercase()
}

/// Whether a list in a header has a name in it.
fn names(headers: &Headers, header: &str, name: &str) -> bool {
    let lines = headers.all(header).filter_map(|line| std::str::from_utf8(line).ok());
    lines.flat_map(|line| line.split(',')).any(|one| one.trim().eq_ignore_ascii_case(name))
}
