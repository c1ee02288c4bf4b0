//! Messages, lookups and answers that are made from the request.

use std::rc::Rc;

use crate::common::exchange::{
    Kind, buffer, found, kind, lookup_opened, problem, random, reply, settlement,
};
use crate::common::{START, UUID, request, sender};
use envoy_service_bus::exchange::{Exchange, Step};
use envoy_service_bus::http;
use envoy_service_bus::http::Headers;
use envoy_service_bus::message::Form;
use envoy_service_bus::outcome::{Failure, Outcome, Reason};
use envoy_service_bus::template::Attributes;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

#[test]
fn a_lookup_asks_and_answers() {
    let mut exchange = lookup_opened("/orders/a%2Fb%20c/status");
    let Step::LookUp(inquiry) = exchange.request_ended(vec![], START, Attributes::default()) else {
        panic!("no inquiry")
    };
    assert_eq!(&*inquiry.cluster, "store");
    assert_eq!(&*inquiry.authority, "store:80");
    assert_eq!(inquiry.path, "/order:status:a%2Fb%20c");
    assert_eq!(inquiry.timeout, std::time::Duration::from_secs(2));
    let body = br#"{"trackingId": "t-1", "more": 1}"#;
    let reply = reply(exchange.settled(settlement(Outcome::Found(found(body)))));
    assert_eq!((reply.status, &*reply.details), (200, "service_bus_found"));
    // What the store does not know is left out.
    assert_eq!(reply.body, br#"{"id":"t-1"}"#);
}

#[test]
fn a_lookup_stays_where_its_route_leads() {
    let lookup = |path: &str| {
        let lookup = json!({"cluster": "store", "authority": "store", "path": path});
        let route = json!({"name": "status", "match": {"methods": ["POST"], "path_prefix": "/"}, "lookup": lookup});
        sender(json!({}), json!({}), json!({"routes": [route]}))
    };
    let one = lookup("/status/${request.headers['x-id']}?of=${request.headers['x-id']}");
    let two = lookup("/status/${request.headers['x-id']}${request.headers['x-id']}/it");
    let cases = [
        (&one, ".", false),
        (&one, "..", false),
        (&two, ".", false),
        (&one, "...", true),
        (&one, "a.b", true),
        (&one, "%2e%2e", true),
        (&one, "../..", true),
        (&two, "..", true),
    ];
    for (sender, id, fits) in cases {
        let mut exchange = Exchange::new(Rc::clone(sender), buffer(), random);
        let _ = exchange.headers_arrived(request(&[("x-id", id.as_bytes())]));
        let step = exchange.request_ended(vec![], START, Attributes::default());
        if fits {
            assert!(matches!(step, Step::LookUp(_)), "{id}: {step:?}");
        } else {
            let (status, problem) = problem(step);
            assert_eq!((status, &problem["reason"]), (400, &json!("invalid_message")), "{id}");
        }
    }
}

#[test]
fn a_lookup_that_finds_no_json_fails() {
    let mut exchange = lookup_opened("/orders/1/status");
    let _ = exchange.request_ended(vec![], START, Attributes::default());
    let (status, problem) =
        problem(exchange.settled(settlement(Outcome::Found(found(b"<html>canary")))));
    assert_eq!((status, &problem["reason"]), (503, &json!("lookup_unavailable")));
    assert!(!problem.to_string().contains("canary"));
}

#[test]
fn a_route_may_change_the_answer_to_a_failure() {
    let mut exchange = lookup_opened("/orders/x%22y/status");
    let _ = exchange.request_ended(vec![], START, Attributes::default());
    let failure = Failure::new(Reason::NotFound, "");
    let reply = reply(exchange.settled(settlement(Outcome::Failed(failure))));
    assert_eq!(reply.status, 410);
    assert_eq!(reply.body, br#"{"gone":"x\"y"}"#);
    let header = |name| reply.headers.iter().find(|(n, _)| n == name).map(|(_, v)| &**v);
    assert_eq!(header("content-type"), Some("application/json"));
    assert_eq!(header("x-tracking-id"), Some(UUID));
    assert_eq!(reply.details, "service_bus_not_found");

    let change = json!({"failures": {"throttled": {
        "status": 429, "headers": {"Retry-After": "120", "x-client": "${request.headers['x-c']}"}
    }}});
    let config = sender(json!({"queue": "orders"}), change, json!({}));
    // A value that cannot be a header is left out: the failure must be told.
    for (client, told) in [(&b"a"[..], Some("a")), ("é".as_bytes(), None)] {
        let mut exchange = Exchange::new(Rc::clone(&config), buffer(), random);
        let _ = exchange.headers_arrived(request(&[("x-c", client)]));
        let _ = exchange.request_ended(vec![], START, Attributes::default());
        let failure = Failure::new(Reason::Throttled, "");
        let reply = self::reply(exchange.settled(settlement(Outcome::Failed(failure))));
        let headers = |name| reply.headers.iter().filter(|(n, _)| n == name).collect::<Vec<_>>();
        assert_eq!(headers("retry-after"), [&http::header("retry-after", "120")]);
        assert_eq!(headers("x-client").first().map(|(_, value)| &**value), told);
        let body: Json = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!((&body["status"], &body["title"]), (&json!(429), &json!("Too Many Requests")));
        assert_eq!(body["reason"], "throttled");
    }
}

#[test]
fn a_message_is_made_from_the_request() {
    let config = sender(
        json!({
            "queue": "${request.headers['x-queue']}", "allowed": ["orders", "returns"],
            "payload": {"id": "${tracking_id}", "order": "${request.json.order}", "at": "${now}"},
            "broker_properties": {
                "MessageId": "${request.json.id}", "SessionId": "${request.json.customer}",
                "TimeToLive": "${request.json.ttl}", "ScheduledEnqueueTimeUtc": "${request.json.at}"
            },
            "properties": {"count": "${request.json.n}", "vip": "${request.json.n > 1}",
                           "absent": "${request.json.absent}"}
        }),
        json!({"headers": {"location": "/orders/${tracking_id}"}, "body": {"n": "${request.json.n}"}}),
        json!({}),
    );
    let send = |body: Json, queue: &str| {
        let mut exchange = Exchange::new(Rc::clone(&config), buffer(), random);
        let _ = exchange.headers_arrived(request(&[("x-queue", queue.as_bytes())]));
        let body = body.to_string().into_bytes();
        let step = exchange.request_ended(body, START, Attributes::default());
        (exchange, step)
    };
    let full = json!({"id": "m-1", "order": {"a": [1]}, "customer": 7, "ttl": "90s", "n": 2,
                      "at": "+1m"});
    let (mut exchange, step) = send(full.clone(), "returns");
    let Step::Send(submission) = step else { panic!("{step:?}") };
    assert_eq!(submission.entity.path, "returns");
    let expected = json!({"id": UUID, "order": {"a": [1]}, "at": "2026-11-21T00:00:00.000Z"});
    assert_eq!(*submission.message.alone().body, expected.to_string().into_bytes());
    let header = |name| {
        let found = submission.message.alone().headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| &**value)
    };
    assert_eq!(
        header("brokerproperties"),
        Some(
            "{\"MessageId\":\"m-1\",\"SessionId\":\"7\",\
             \"ScheduledEnqueueTimeUtc\":\"Sat, 21 Nov 2026 00:01:00 GMT\",\"TimeToLive\":90}"
        )
    );
    assert_eq!((header("count"), header("vip"), header("absent")), (Some("2"), Some("true"), None));
    let answer = reply(exchange.settled(settlement(Outcome::Accepted)));
    assert_eq!(answer.body, br#"{"n":2}"#);
    let location = http::header("location", format!("/orders/{UUID}"));
    assert!(answer.headers.contains(&location));

    let refusals = [
        ("/order", Json::Null, "orders", None),
        (
            "/ttl",
            json!("soon"),
            "orders",
            Some(
                "broker_properties.TimeToLive must be a duration such as \"30s\", or a number of \
               seconds",
            ),
        ),
        (
            "/ttl",
            json!(0.5),
            "orders",
            Some(
                "broker_properties.TimeToLive must be a duration such as \"30s\", or a number of \
               seconds",
            ),
        ),
        (
            "/at",
            json!("later"),
            "orders",
            Some(
                "broker_properties.ScheduledEnqueueTimeUtc must be a delay such as \"+10m\", or a \
               time in RFC 3339 or RFC 1123",
            ),
        ),
        ("/n", json!("many"), "orders", Some("properties.vip cannot be made from this request")),
        (
            "/id",
            json!("x".repeat(129)),
            "orders",
            Some("property \"MessageId\" has more than 128 characters"),
        ),
        ("/id", json!("m"), "others", Some("the queue or topic must be one that is allowed")),
    ];
    for (pointer, value, queue, detail) in refusals {
        let mut body = full.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        let (_, step) = send(body, queue);
        match detail {
            None => assert_eq!(kind(&step), Kind::Send, "{pointer}"),
            Some(detail) => {
                let (status, problem) = problem(step);
                assert_eq!((status, problem["detail"].as_str()), (400, Some(detail)));
            }
        }
    }
    let mut body = full;
    body.as_object_mut().unwrap().remove("order");
    let (_, step) = send(body, "orders");
    let (status, problem) = problem(step);
    assert_eq!(status, 400);
    assert_eq!(problem["detail"], "payload.order is missing from the request");
}

#[test]
fn a_reply_that_cannot_be_made_stops_the_message() {
    let reply_config = json!({"headers": {"x-order": "order ${request.json.id}"}});
    let config = sender(json!({"queue": "orders"}), reply_config, json!({}));
    let end = |body: &[u8]| {
        let mut exchange = Exchange::new(Rc::clone(&config), buffer(), random);
        let _ = exchange.headers_arrived(request(&[]));
        exchange.request_ended(body.to_vec(), START, Attributes::default())
    };
    assert_eq!(kind(&end(b"{\"id\":\"1\"}")), Kind::Send);
    for body in [&b"{\"id\":\"a\\r\\nset-cookie: b\"}"[..], "{\"id\":\"é\"}".as_bytes()] {
        let (status, problem) = problem(end(body));
        assert_eq!(status, 400);
        assert_eq!(problem["detail"], "reply.headers.x-order must be visible ASCII characters");
    }
}

#[test]
fn a_location_leads_to_the_id() {
    let location = |template: &str, key: &[u8]| {
        let config = json!({"headers": {"location": template}});
        let mut exchange =
            Exchange::new(sender(json!({"queue": "orders"}), config, json!({})), buffer(), random);
        let _ = exchange
            .headers_arrived(request(&[("idempotency-key", key), ("x-url", b"https://a/b?c")]));
        let _ = exchange.request_ended(vec![], START, Attributes::default());
        let answer = reply(exchange.settled(settlement(Outcome::Accepted)));
        let found = answer.headers.into_iter().find(|(name, _)| name == "location");
        found.map(|(_, value)| value).unwrap()
    };
    assert_eq!(location("/orders/${tracking_id}/status", b"a/b?c%"), "/orders/a%2Fb%3Fc%25/status");
    assert_eq!(location("/fixed?a=b c", b"k"), "/fixed?a=b c");
    // A whole one is the operator's own.
    assert_eq!(location("${request.headers['x-url']}", b"k"), "https://a/b?c");
}

proptest! {
    /// Whatever a client sends: payload, broker properties and reply are the JSON that the route
    /// describes, with the client's texts as values, and no header holds a line break.
    #[test]
    fn no_text_of_a_client_breaks_what_is_made(
        header in prop_oneof![
            3 => "[ -~]{0,40}".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..40),
        ],
        text in prop_oneof![3 => "[ -~]{0,40}", 1 => any::<String>()],
        segment in "[!-~]{1,20}",
    ) {
        let segment = segment.replace(['/', '?'], "");
        prop_assume!(!segment.is_empty());
        let route = json!({
            "name": "any", "match": {"path_template": "/a/{segment}"},
            "send": {
                "queue": "orders",
                "payload": {"t": "${request.json.t}", "h": "<${request.headers['x-h']}>", "s": "${path.segment}"},
                "broker_properties": {"Label": "${request.json.t}"},
                "properties": {"p": "${request.json.t}"}
            },
            "reply": {"body": {"t": "${request.json.t}", "h": ["${request.headers['x-h']}"]},
                      "headers": {"x-t": "${request.json.t}"}}
        });
        let config = sender(json!({}), json!({}), json!({"routes": [route]}));
        let path = format!("/a/{segment}");
        let headers: Headers = [
            (":method", b"POST".as_slice()), (":authority", b"a"), (":path", path.as_bytes()),
            ("x-h", &header),
        ].into_iter().collect();
        let mut exchange = Exchange::new(config, buffer(), random);
        let _ = exchange.headers_arrived(headers);
        let body = json!({"t": text}).to_string().into_bytes();
        let (lines, payload) = match exchange.request_ended(body, START, Attributes::default()) {
            Step::Send(submission) => {
                let answer = reply(exchange.settled(settlement(Outcome::Accepted)));
                let told: Json = serde_json::from_slice(&answer.body).unwrap();
                prop_assert_eq!(&told["t"], &json!(text));
                let single = submission.message.alone().form == Form::Single;
                let body: Json = serde_json::from_slice(&submission.message.alone().body).unwrap();
                let payload = if single {
                    body
                } else {
                    serde_json::from_str(body[0]["Body"].as_str().unwrap()).unwrap()
                };
                ([answer.headers.as_slice(), &submission.message.alone().headers].concat(), Some(payload))
            }
            Step::Reply(answer, _) => {
                prop_assert_eq!(answer.status, 400);
                let _: Json = serde_json::from_slice(&answer.body).unwrap();
                (answer.headers, None)
            }
            other => panic!("{other:?}"),
        };
        for (name, value) in &lines {
            prop_assert!(value.bytes().all(|b| (b' '..=b'~').contains(&b)), "{name}: {value:?}");
        }
        if let Some(payload) = payload {
            prop_assert_eq!(&payload["t"], &json!(text));
            let h = format!("<{}>", std::str::from_utf8(&header).unwrap());
            prop_assert_eq!(&payload["h"], &json!(h));
            prop_assert_eq!(payload.as_object().unwrap().len(), 3);
        }
    }
}
