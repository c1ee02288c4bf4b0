//! Requests that no message can answer.

use crate::common::exchange::{Kind, buffer, kind, opened, random};
use crate::common::{UUID, request, sender};
use envoy_service_bus::exchange::{Exchange, Step};
use envoy_service_bus::http::{Headers, header};
use envoy_service_bus::outcome::Reason;
use serde_json::{Value as Json, json};

/// What is answered as soon as the headers are here.
fn refused(headers: Headers) -> envoy_service_bus::reply::Reply {
    let (_, step) = opened(headers);
    let Step::Reply(reply, report) = step else { panic!("{step:?}") };
    assert_eq!(report.failure.unwrap().reason, Reason::InvalidMessage);
    assert_eq!((reply.status, &*reply.details), (400, "service_bus_invalid_message"));
    reply
}

#[test]
fn grpc_is_told_in_its_own_words() {
    for name in ["application/grpc", "application/grpc+proto", "Application/GRPC+json"] {
        // Even where the id is wrong too.
        let reply =
            refused(request(&[("content-type", name.as_bytes()), ("idempotency-key", b"")]));
        assert_eq!(reply.grpc_status, Some(12), "{name}");
        assert_eq!(reply.headers, [header("x-tracking-id", UUID)]);
        assert_eq!(reply.body, b"a gRPC request cannot be sent as a message");
    }
}

#[test]
fn what_envoy_does_not_take_for_grpc_is_answered_as_http() {
    let types = ["application/grpc-web", "application/grpc-web+proto", "application/grpc; a=b"];
    for name in types {
        let reply = refused(request(&[("content-type", name.as_bytes())]));
        assert_eq!(reply.grpc_status, None, "{name}");
        let body: Json = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body["detail"], "a gRPC request cannot be sent as a message");
    }
    for name in ["application/json", "text/application/grpc", ""] {
        let (_, step) = opened(request(&[("content-type", name.as_bytes())]));
        assert_eq!(kind(&step), Kind::Wait, "{name}");
    }
}

#[test]
fn an_upgrade_is_refused() {
    type Lines = &'static [(&'static str, &'static [u8])];
    let cases: [(Lines, bool); 6] = [
        (&[("upgrade", b"websocket"), ("connection", b"Upgrade")], true),
        (&[("upgrade", b"foo/2"), ("connection", b"keep-alive, UPGRADE")], true),
        (&[("upgrade", b"x"), ("connection", b"keep-alive"), ("connection", b"upgrade")], true),
        // Without the connection's word it asks for nothing.
        (&[("upgrade", b"websocket")], false),
        (&[("upgrade", b"websocket"), ("connection", b"keep-alive")], false),
        (&[("connection", b"upgrade")], false),
    ];
    for (headers, is_refused) in cases {
        let (_, step) = opened(request(headers));
        let expected = if is_refused { Kind::Reply(400) } else { Kind::Wait };
        assert_eq!(kind(&step), expected, "{headers:?}");
    }
}

#[test]
fn connect_is_refused_where_a_route_takes_it() {
    let matches = json!({"methods": ["CONNECT", "GET"], "path_prefix": "/"});
    let route = json!({"name": "all", "match": matches, "send": {"queue": "orders"}});
    let config = sender(json!({}), json!({}), json!({"routes": [route]}));
    for (method, more) in [("CONNECT", None), ("GET", Some((":protocol", "websocket")))] {
        let head = [(":method", method), (":authority", "a"), (":path", "/chat")];
        let mut exchange = Exchange::new(std::rc::Rc::clone(&config), buffer(), random);
        let step = exchange.headers_arrived(head.into_iter().chain(more).collect());
        assert_eq!(kind(&step), Kind::Reply(400), "{method}");
    }
}

#[test]
fn what_no_route_takes_goes_on() {
    let head = [(":method", "POST"), (":authority", "a"), (":path", "/other")];
    let (_, step) =
        opened(head.into_iter().chain([("content-type", "application/grpc")]).collect());
    assert_eq!(kind(&step), Kind::Pass);
}
