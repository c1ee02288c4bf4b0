//! What a configuration may say.

use std::rc::Rc;
use std::time::Duration;

use crate::common::configuration::{error, minimal, parse, sender, warnings, with};
use envoy_service_bus::config::{Config, Environment, Role};
use envoy_service_bus::credentials::Credentials;
use envoy_service_bus::delivery::{
    BatchConfig, BreakerConfig, DeliveryConfig, HeaderMode, RetryConfig, Sender,
};
use envoy_service_bus::message::{
    EntityConfig, ForwardedHeader, Lifetime, Payload, PropertyConfig, Schedule, ScheduleConfig,
    Send,
};
use envoy_service_bus::message::{TextProperty, Value};
use envoy_service_bus::route::{Action, Destination, Fallback};
use envoy_service_bus::route::{HostMatch, PathMatch, Segment};
use envoy_service_bus::template::{Template, Tree};
use serde_json::{Value as Json, json};

fn route(sender: &Sender) -> (&Send, &Destination) {
    match &sender.routes[0].action {
        Action::Send(send, destination) => (send, destination),
        Action::Lookup(_) => panic!("a lookup"),
    }
}

fn messages_path(send: &Send) -> &str {
    match &send.entity {
        EntityConfig::Fixed(entity) => &entity.messages_path,
        EntityConfig::Chosen(..) => panic!("chosen by the request"),
    }
}

fn fixed_schedule(send: &Send) -> Option<Schedule> {
    match &send.broker_properties.scheduled_enqueue_time {
        Some(ScheduleConfig::Fixed(schedule)) => Some(*schedule),
        _ => None,
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let sender = sender(&minimal());
    assert_eq!(sender.header_mode, HeaderMode::Pause);
    assert_eq!(sender.max_body_bytes, 262_144);
    assert_eq!(sender.delivery.timeout, Duration::from_secs(10));
    assert_eq!(sender.delivery.attempt_timeout, Duration::from_secs(5));
    assert_eq!(sender.delivery.max_in_flight, 1024);
    let (send, _) = route(&sender);
    assert!(matches!(send.payload, Payload::Body));
    assert_eq!(messages_path(send), "/orders/messages");
    let reply = &sender.routes[0].reply;
    assert!(reply.status.is_none() && reply.body.is_none() && reply.failures.is_empty());
    assert!(parse(&minimal().to_string()).unwrap().warnings.is_empty());
}

#[test]
fn every_key_is_read() {
    let config = json!({
        "namespace": "Contoso.servicebus.windows.net",
        "cluster": "outbound|443||contoso.servicebus.windows.net",
        "credentials": {"sas": {"key_name": "send", "key": {"env": "SB_KEY"}, "token_ttl": "20m"}},
        "role": "sender",
        "header_mode": "continue",
        "max_body_bytes": 1_048_576,
        "delivery": {
            "timeout": "1m", "attempt_timeout": "0.5s", "max_in_flight": 7,
            "max_buffered_bytes": 1_000_000,
            "retries": {"max": 1, "base": "50ms", "cap": "1s", "budget_percent": 50},
            "circuit_breaker": {"failures": 2, "open_for": "5s"},
            "batch": {"max_messages": 10, "linger": "2ms"}
        },
        "routes": [{
            "name": "orders",
            "match": {
                "methods": ["POST", "PUT"],
                "path_template": "/orders/{id}/lines",
                "hosts": ["API.example.com", "*.example.org"],
                "headers": {"X-A": "b"}
            },
            "send": {
                "topic": "eu/orders",
                "payload": {"a": [1, 2.50, null, true, "$${x}"]},
                "content_type": "application/json",
                "broker_properties": {
                    "Subject": "order", "TimeToLive": "1h", "ScheduledEnqueueTimeUtc": "+10m",
                    "SessionId": "s", "PartitionKey": "s", "CorrelationId": "c", "ReplyTo": "r",
                    "ReplyToSessionId": "rs", "To": "t", "ViaPartitionKey": "v"
                },
                "properties": {"tenant": "a", "priority": 5, "vip": true},
                "forward_headers": ["X-Tenant-Id", {"header": "Content-Encoding", "as": "Enc"}]
            },
            "reply": {"status": 200, "headers": {"Retry-After": "30"}, "body": {"ok": true}}
        }]
    });
    let sender = sender(&config);
    let (send, destination) = route(&sender);
    assert_eq!(&*destination.namespace, "contoso.servicebus.windows.net");
    assert!(matches!(
        &*destination.credentials,
        Credentials::Sas(keys)
            if keys.token_ttl == Duration::from_secs(1200) && keys.secondary.is_none()
    ));
    assert_eq!(sender.header_mode, HeaderMode::Continue);
    assert_eq!(sender.max_body_bytes, 1_048_576);
    assert_eq!(
        sender.delivery,
        DeliveryConfig {
            timeout: Duration::from_secs(60),
            attempt_timeout: Duration::from_millis(500),
            max_in_flight: 7,
            max_buffered_bytes: 1_000_000,
            retries: RetryConfig {
                max: 1,
                base: Duration::from_millis(50),
                cap: Duration::from_secs(1),
                budget_percent: 50,
            },
            circuit_breaker: Some(BreakerConfig { failures: 2, open_for: Duration::from_secs(5) }),
            batch: Some(BatchConfig { max_messages: 10, linger: Duration::from_millis(2) }),
        }
    );
    let matches = &sender.routes[0].matches;
    assert_eq!(matches.methods, ["POST", "PUT"]);
    assert_eq!(
        matches.path,
        PathMatch::Template(vec![
            Segment::Literal("orders".to_owned()),
            Segment::Capture("id".to_owned()),
            Segment::Literal("lines".to_owned()),
        ])
    );
    assert_eq!(
        matches.hosts,
        [
            HostMatch::Exact("api.example.com".to_owned()),
            HostMatch::Suffix(".example.org".to_owned())
        ]
    );
    assert_eq!(matches.headers, [("x-a".to_owned(), "b".to_owned())]);
    assert_eq!(messages_path(send), "/eu/orders/messages");
    let Payload::Json(Tree::Fixed(payload)) = &send.payload else { panic!("not fixed") };
    assert_eq!(payload.to_string(), r#"{"a":[1,2.5,null,true,"${x}"]}"#);
    assert_eq!(send.content_type.as_ref().and_then(Template::literal), Some("application/json"));
    let broker = &send.broker_properties;
    let hour = Duration::from_secs(3600);
    assert!(matches!(broker.time_to_live, Some(Lifetime::Fixed(life)) if life == hour));
    assert_eq!(fixed_schedule(send), Some(Schedule::After(Duration::from_secs(600))));
    assert_eq!(broker.texts.len(), 8);
    let label = broker.texts.iter().find(|(property, _)| *property == TextProperty::Label);
    assert_eq!(label.and_then(|(_, text)| text.literal()), Some("order"));
    let properties: Vec<_> = send
        .properties
        .iter()
        .map(|(name, value)| match value {
            PropertyConfig::Fixed(value) => (name.as_str(), value.clone()),
            PropertyConfig::Computed(_) => panic!("computed"),
        })
        .collect();
    assert_eq!(
        properties,
        [
            ("tenant", Value::Text("a".to_owned())),
            ("priority", Value::Number(5.into())),
            ("vip", Value::Bool(true)),
        ]
    );
    let forwarded = |header: &str, property: &str| ForwardedHeader {
        header: header.to_owned(),
        property: property.to_owned(),
    };
    let expected = [forwarded("x-tenant-id", "x-tenant-id"), forwarded("content-encoding", "Enc")];
    assert_eq!(send.forward_headers, expected);
    let reply = &sender.routes[0].reply;
    assert_eq!(reply.status, Some(200));
    let headers: Vec<_> = reply.headers.iter().map(|(n, v)| (n.as_str(), v.literal())).collect();
    assert_eq!(headers, [("retry-after", Some("30"))]);
    assert!(matches!(&reply.body, Some(Tree::Fixed(body)) if *body == json!({"ok": true})));
}

#[test]
fn secrets_come_from_the_environment() {
    let connection_string = json!({"connection_string": {"env": "SB_CONNECTION_STRING"}});
    let config = with("/credentials", connection_string);
    let sender = sender(&config);
    assert!(matches!(*route(&sender).1.credentials, Credentials::Sas(_)));
    assert!(warnings(&config).is_empty());
}

#[test]
fn a_key_for_one_entity_serves_that_entity_alone() {
    let mut config = with("/credentials", json!({"connection_string": {"env": "SB_ORDERS_ONLY"}}));
    sender(&config);
    config["routes"][0]["send"]["queue"] = json!("events");
    assert_eq!(error(&config), "routes[0].send.queue: the connection string opens \"orders\" only");
}

#[test]
fn what_works_but_may_surprise_is_warned_of() {
    let inline = json!({"sas": {
        "key_name": "send", "key": {"inline": "canary"}, "secondary_key": {"env": "SB_PADDED"},
        "token_ttl": "1m"
    }});
    assert_eq!(
        warnings(&with("/credentials", inline)),
        [
            "credentials.sas.key.inline: is shown to anyone who can read the configuration or \
             Envoy's /config_dump; use {\"env\": NAME}",
            "credentials.sas.secondary_key.env: white space around the value of SB_PADDED is left \
             out",
            "credentials.sas.token_ttl: is shorter than 20m: a clock that is off by 15 minutes \
             makes tokens invalid",
        ]
    );
    let same = json!({"sas": {
        "key_name": "send", "key": {"env": "SB_KEY"}, "secondary_key": {"env": "SB_KEY"}
    }});
    assert_eq!(
        warnings(&with("/credentials", same)),
        ["credentials.sas: secondary_key is the same as key, so it cannot take its place"]
    );
    assert_eq!(
        warnings(&with("/routes/0/send/broker_properties", json!({"MessageId": "m"}))),
        ["routes[0].send.broker_properties.MessageId: is the same for every message: where \
          duplicate detection is on, Service Bus keeps the first and drops the others"]
    );
}

#[test]
fn what_is_there_by_default_can_be_left_out() {
    let delivery = |delivery: Json| sender(&with("/delivery", delivery)).delivery;
    let defaults = sender(&minimal()).delivery;
    assert_eq!(defaults, DeliveryConfig::default());
    assert_eq!(delivery(json!({"retries": {}, "circuit_breaker": {}})), defaults);
    assert_eq!(delivery(json!({"circuit_breaker": {"failures": 0}})).circuit_breaker, None);
    assert_eq!(delivery(json!({"retries": {"max": 0}})).retries.max, 0);
    assert_eq!(defaults.batch, None);
    assert_eq!(delivery(json!({"batch": {}})).batch, Some(BatchConfig::default()));
}

fn with_fallback(fallback: Json) -> Json {
    with("/routes/0/fallback", fallback)
}

fn fallback(config: &Json) -> Rc<Fallback> {
    let sender = sender(config);
    sender.routes[0].fallback.clone().unwrap()
}

#[test]
fn every_kind_of_credentials_is_read() {
    let read = |credentials: Json| {
        let sender = sender(&with("/credentials", credentials));
        Rc::clone(&route(&sender).1.credentials)
    };
    let keys = json!({"key_name": "send", "key": {"env": "SB_KEY"}});
    assert!(matches!(&*read(json!({"sas": keys})), Credentials::Sas(_)));
    assert!(matches!(&*read(json!({"upstream": {}})), Credentials::Upstream));
    let fetched = [
        json!({"managed_identity": {"cluster": "imds", "source": "imds"}}),
        json!({"managed_identity": {
            "cluster": "imds", "source": "imds", "resource_id": "/subscriptions/a",
            "authority": "imds:80", "audience": "https://servicebus.usgovcloudapi.net"
        }}),
        json!({"managed_identity": {
            "cluster": "identity", "source": "app_service", "client_id": "a", "path": "/token",
            "identity_header": {"env": "SB_KEY"}
        }}),
        json!({"client_secret": {
            "cluster": "entra", "tenant_id": "t", "client_id": "c", "secret": {"env": "SB_KEY"}
        }}),
    ];
    for credentials in fetched {
        let config = with("/credentials", credentials);
        assert!(warnings(&config).is_empty(), "{config}");
        assert!(!format!("{:?}", sender(&config)).contains("canary"));
        assert!(matches!(&*read(config["credentials"].clone()), Credentials::Fetched(_)));
    }
}

#[test]
fn a_fallback_takes_from_its_route_what_it_does_not_say() {
    let elsewhere = fallback(&with_fallback(json!({
        "namespace": "north.servicebus.windows.net", "cluster": "north", "topic": "late",
        "credentials": {"sas": {"key_name": "a", "key": {"env": "SB_KEY"}}},
        "allow_duplicates": true
    })));
    assert_eq!(&*elsewhere.destination.namespace, "north.servicebus.windows.net");
    assert_eq!(&*elsewhere.destination.cluster, "north");
    assert!(matches!(*elsewhere.destination.credentials, Credentials::Sas(_)));
    assert_eq!(elsewhere.entity.as_ref().unwrap().path, "late");
    assert!(elsewhere.allow_duplicates);
    let nearby = fallback(&with_fallback(json!({"cluster": "other"})));
    assert_eq!(&*nearby.destination.namespace, "contoso.servicebus.windows.net");
    assert_eq!(&*nearby.destination.cluster, "other");
    assert!(matches!(*nearby.destination.credentials, Credentials::Upstream));
    assert!(nearby.entity.is_none() && !nearby.allow_duplicates);
}

#[test]
fn a_fallback_that_leads_nowhere_else_is_refused() {
    let same = "routes[0].fallback: leads where the route leads itself: name another namespace, \
                cluster or entity";
    for fallback in [json!({}), json!({"queue": "orders"}), json!({"cluster": "servicebus"})] {
        assert_eq!(error(&with_fallback(fallback)), same);
    }
    assert_eq!(
        error(&with_fallback(json!({"queue": "a", "topic": "b"}))),
        "routes[0].fallback: expected at most one of queue, topic"
    );
    assert_eq!(
        error(&with_fallback(json!({"queue": "a", "allow_duplicates": "yes"}))),
        "routes[0].fallback.allow_duplicates: expected true or false, found \"yes\""
    );
    let bound =
        json!({"credentials": {"connection_string": {"env": "SB_ORDERS_ONLY"}}, "queue": "a"});
    assert_eq!(
        error(&with_fallback(bound)),
        "routes[0].fallback.queue: the connection string opens \"orders\" only"
    );
}

#[test]
fn debug_of_a_configuration_shows_no_secret() {
    let inline = json!({"sas": {"key_name": "send", "key": {"inline": "canary"}}});
    let shown = format!("{:?}", parse(&with("/credentials", inline).to_string()).unwrap());
    assert!(shown.contains("contoso"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_gate_takes_its_senders_text_and_needs_no_secret() {
    let mut config =
        with("/credentials", json!({"sas": {"key_name": "a", "key": {"env": "NONE"}}}));
    config["role"] = json!("gate");
    let Role::Gate(gate) = parse(&config.to_string()).unwrap().role else { panic!("a sender") };
    assert_eq!(gate.matches.len(), 1);
    let lone = json!({"role": "gate",
                      "routes": [{"match": {"methods": ["POST"], "path": "/orders"}}]});
    let Role::Gate(lone) = parse(&lone.to_string()).unwrap().role else { panic!("a sender") };
    assert_eq!(lone.matches, gate.matches);
    let wrong = json!({"role": "gate", "colour": 1, "routes": [{"send": {}}]});
    assert_eq!(
        error(&wrong),
        "routes[0].match: is required\n\
         colour: unknown key, expected one of role, namespace, cluster, credentials, header_mode, \
         max_body_bytes, filter_state, jwt_payload_key, delivery, routes"
    );
}

#[test]
fn without_an_environment_each_variable_counts_as_set() {
    let credentials = [
        json!({"sas": {"key_name": "send", "key": {"env": "NOT_SET"}}}),
        json!({"connection_string": {"env": "NOT_SET"}}),
    ];
    for credentials in credentials {
        let config = with("/credentials", credentials).to_string();
        assert!(Config::parse(config.as_bytes(), Environment::Unknown).is_ok());
    }
}

#[test]
fn times_are_read_in_both_forms() {
    for text in
        ["2026-11-21T00:00:00Z", "2026-11-21T02:00:00+02:00", "Sat, 21 Nov 2026 00:00:00 GMT"]
    {
        let value = json!({"ScheduledEnqueueTimeUtc": text});
        let sender = sender(&with("/routes/0/send/broker_properties", value));
        assert_eq!(
            fixed_schedule(route(&sender).0),
            Some(Schedule::At(Duration::from_secs(1_795_219_200))),
            "{text}"
        );
    }
}

#[test]
fn a_route_may_go_elsewhere() {
    let mut config = minimal();
    config["routes"] = json!([
        {"name": "a", "match": {"path": "/a"}, "send": {"queue": "a"}},
        {"name": "b", "match": {"path": "/b"}, "send": {"queue": "b"}, "cluster": "other",
         "namespace": "fabrikam.servicebus.windows.net",
         "credentials": {"sas": {"key_name": "send", "key": {"env": "SB_KEY"}}}},
        {"name": "c", "match": {"path": "/c"}, "send": {"queue": "c"}, "cluster": "third"}
    ]);
    let sender = sender(&config);
    let destination = |index: usize| match &sender.routes[index].action {
        Action::Send(_, destination) => Rc::clone(destination),
        Action::Lookup(_) => panic!("a lookup"),
    };
    let contoso = "contoso.servicebus.windows.net";
    assert_eq!(&*destination(0).namespace, contoso);
    assert_eq!(&*destination(1).namespace, "fabrikam.servicebus.windows.net");
    assert!(matches!(*destination(1).credentials, Credentials::Sas { .. }));
    assert_eq!((&*destination(2).namespace, &*destination(2).cluster), (contoso, "third"));
    assert!(matches!(*destination(2).credentials, Credentials::Upstream));
    // With all three in each route, the general ones may be left out.
    let mut own = config["routes"][1].clone();
    own["name"] = json!("own");
    assert!(parse(&json!({"routes": [own]}).to_string()).is_ok());
    assert_eq!(
        error(&json!({"routes": [config["routes"][2]]})),
        "namespace: is required\ncredentials: is required"
    );
}

#[test]
fn a_lookup_needs_no_namespace() {
    let lookup = |lookup: Json| {
        json!({"routes": [{
            "name": "status", "match": {"path_template": "/orders/{id}/status"}, "lookup": lookup
        }]})
    };
    let good = json!({"cluster": "store", "authority": "store:8080", "path": "/s/${path.id}"});
    assert!(parse(&lookup(good).to_string()).is_ok());
    assert_eq!(
        error(&lookup(json!({"cluster": "", "authority": "a b", "path": "s", "timeout": "0s"}))),
        "routes[0].lookup.cluster: must not be empty\n\
         routes[0].lookup.authority: expected a host, with a port where it needs one, found \"a b\"\n\
         routes[0].lookup.path: expected a path such as \"/status/${path.id}\", found \"s\"\n\
         routes[0].lookup.timeout: expected a duration from 1ms to 3600s, found \"0s\""
    );
}

#[test]
fn the_readmes_example_is_accepted() {
    let readme = include_str!("../../README.md");
    let (_, from) = readme.split_once("```json\n").unwrap();
    let (example, _) = from.split_once("```").unwrap();
    assert!(parse(example).unwrap().warnings.is_empty());
}

#[test]
fn the_whole_202_pattern_is_accepted() {
    let config = json!({
        "namespace": "contoso.servicebus.windows.net",
        "cluster": "servicebus",
        "credentials": {"sas": {"key_name": "send-only", "key": {"env": "SB_KEY"},
                                "token_ttl": "1h"}},
        "role": "sender", "header_mode": "pause", "max_body_bytes": 262_144,
        "delivery": {"timeout": "10s", "attempt_timeout": "5s", "max_in_flight": 1024},
        "routes": [{
            "name": "orders",
            "match": {"methods": ["POST"], "path": "/orders"},
            "send": {
                "queue": "orders",
                "payload": {"trackingId": "${tracking_id}", "orderId": "${request.json.orderId}",
                            "items": "${request.json.items}", "submittedAt": "${now}"},
                "content_type": "application/json",
                "broker_properties": {"MessageId": "${request.headers['idempotency-key']}",
                                      "SessionId": "${request.json.customerId}",
                                      "TimeToLive": "1h", "Label": "order"},
                "properties": {"tenant": "${request.headers['x-tenant']}", "priority": 5,
                               "vip": true},
                "forward_headers": ["x-tenant-id"]
            },
            "reply": {"status": 202,
                      "headers": {"location": "/orders/${tracking_id}/status", "retry-after": "30"},
                      "body": {"status": "processing", "trackingId": "${tracking_id}",
                               "statusUrl": "/orders/${tracking_id}/status"}}
        }, {
            "name": "order-status",
            "match": {"methods": ["GET"], "path_template": "/orders/{tracking_id}/status"},
            "lookup": {"cluster": "status-store", "authority": "status-store",
                       "path": "/order:status:${path.tracking_id}", "timeout": "10s"},
            "reply": {"status": 200, "body": {"trackingId": "${lookup.json.trackingId}",
                                              "status": "${lookup.json.status}"}}
        }]
    });
    assert!(parse(&config.to_string()).unwrap().warnings.is_empty());
}
