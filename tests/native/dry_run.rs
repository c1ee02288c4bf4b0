//! Messages that are shown instead of sent.

use crate::common::configuration::{error, warnings, with};
use crate::common::exchange::{Kind, buffer, kind, random, reply};
use crate::common::{START, UUID, request, sender};
use envoy_service_bus::exchange::{Exchange, Step};
use envoy_service_bus::http::header;
use envoy_service_bus::template::Attributes;
use serde_json::{Value as Json, json};

const VALUE: &str = "sixteen-or-more-characters";

fn ended(dry_run: Json, headers: &[(&str, &[u8])], body: &[u8]) -> Step {
    let route = json!({
        "name": "orders", "match": {"path": "/orders"},
        "send": {"queue": "orders", "properties": {"n": 5}},
        "reply": {"headers": {"location": "/orders/${tracking_id}"}},
        "dry_run": dry_run
    });
    let mut exchange =
        Exchange::new(sender(json!({}), json!({}), json!({"routes": [route]})), buffer(), random);
    assert_eq!(kind(&exchange.headers_arrived(request(headers))), Kind::Wait);
    exchange.request_ended(body.to_vec(), START, Attributes::default())
}

#[test]
fn the_answer_is_the_request_that_service_bus_would_get() {
    let Step::Reply(reply, report) = ended(json!(true), &[("content-type", b"a/b")], b"{}") else {
        panic!("no reply")
    };
    assert_eq!(reply.status, 200);
    assert_eq!(reply.details, "service_bus_dry_run");
    assert!(reply.headers.contains(&header("x-tracking-id", UUID)));
    let shown: Json = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        shown,
        json!({
            "dryRun": true,
            "request": {
                "cluster": "servicebus",
                "method": "POST",
                "path": "/orders/messages",
                "authority": "contoso.servicebus.windows.net",
                "headers": {
                    "content-type": "a/b",
                    "brokerproperties": format!("{{\"MessageId\":\"{UUID}\"}}"),
                    "n": "5"
                },
                "body": "{}"
            },
            "reply": {
                "status": 202,
                "headers": {
                    "location": format!("/orders/{UUID}"),
                    "content-type": "application/json",
                    "x-tracking-id": UUID
                },
                "body": format!("{{\"status\":\"accepted\",\"trackingId\":\"{UUID}\"}}")
            }
        })
    );
    assert_eq!((report.outcome, report.attempts), ("dry_run", 0));
    assert_eq!(report.entity.unwrap().path, "orders");
}

#[test]
fn bytes_that_are_no_text_are_shown_in_base64() {
    let reply = reply(ended(json!(true), &[], b"\xff\x00"));
    let shown: Json = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(shown["request"]["body"], json!({"base64": "/wA="}));
}

#[test]
fn what_cannot_be_sent_is_refused_as_ever() {
    let reply = reply(ended(json!(true), &[("content-type", b"a\xe9")], b""));
    assert_eq!(reply.status, 400);
}

#[test]
fn a_guard_lets_only_its_value_ask() {
    let guard = json!({"header": "X-Dry-Run", "value": {"inline": VALUE}});
    let value = VALUE.as_bytes();
    assert_eq!(kind(&ended(guard.clone(), &[("x-dry-run", value)], b"")), Kind::Reply(200));
    let others: [&[(&str, &[u8])]; 5] = [
        &[],
        &[("x-dry-run", b"")],
        &[("x-dry-run", b"sixteen-or-more-character")],
        &[("x-dry-run", value), ("x-dry-run", value)],
        &[("x-dry-run", b"true"), ("x-dry-run", value)],
    ];
    for headers in others {
        assert_eq!(kind(&ended(guard.clone(), headers, b"")), Kind::Send, "{headers:?}");
    }
}

#[test]
fn a_route_that_sends_nothing_is_warned_of() {
    assert_eq!(
        warnings(&with("/routes/0/dry_run", json!(true))),
        ["routes[0].dry_run: the route answers with its messages and sends none of them"]
    );
}

#[test]
fn mistakes_are_told() {
    let guard = |value: &str| json!({"header": "x-a", "value": {"inline": value}});
    for (value, expected) in [
        (
            json!(false),
            "routes[0].dry_run: expected true, or an object with header and value, \
                        found false",
        ),
        (
            guard("short"),
            "routes[0].dry_run.value: must have at least 16 characters: others could \
                          guess it",
        ),
        (
            json!({"header": "a b", "value": {"inline": VALUE}}),
            "routes[0].dry_run.header: expected the name of a header, found \"a b\"",
        ),
        (json!({"header": "x-a"}), "routes[0].dry_run.value: is required"),
    ] {
        assert_eq!(error(&with("/routes/0/dry_run", value)), expected);
    }
    let mut lookup = with("/routes/0/dry_run", json!(true));
    lookup["routes"][0].as_object_mut().unwrap().remove("send");
    lookup["routes"][0]["lookup"] = json!({"cluster": "a", "authority": "a", "path": "/"});
    assert!(error(&lookup).contains("routes[0].dry_run: does not go with a lookup"));
}
