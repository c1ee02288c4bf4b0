//! What a configuration may say, and each mistake with its place.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail by panic"
)]

use std::time::Duration;

use envoy_service_bus::config::{
    Action, Config, Destination, EntityConfig, Environment, HeaderMode, Lifetime, Payload,
    PropertyConfig, Role, Schedule, ScheduleConfig, Send, Sender,
};
use envoy_service_bus::credentials::Credentials;
use envoy_service_bus::matching::{HostMatch, PathMatch, Segment};
use envoy_service_bus::message::{TextProperty, Value};
use envoy_service_bus::template::{Template, Tree};
use serde_json::{Value as Json, json};

fn environment(name: &str) -> Option<String> {
    match name {
        "SB_KEY" => Some("canary-key".to_owned()),
        "SB_PADDED" => Some("canary-key\n".to_owned()),
        "SB_EMPTY" => Some(String::new()),
        "SB_CONNECTION_STRING" => Some(
            "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=send;\
             SharedAccessKey=canary-key"
                .to_owned(),
        ),
        "SB_ORDERS_ONLY" => Some(
            "Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=send;\
             SharedAccessKey=canary-key;EntityPath=orders"
                .to_owned(),
        ),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text.as_bytes(), Environment::Known(&environment)).map_err(|e| e.to_string())
}

fn minimal() -> Json {
    json!({
        "namespace": "contoso.servicebus.windows.net",
        "cluster": "servicebus",
        "credentials": {"upstream": {}},
        "routes": [{"name": "orders", "match": {"path": "/orders"}, "send": {"queue": "orders"}}]
    })
}

/// The minimal configuration with one value changed, by its JSON pointer.
fn with(pointer: &str, value: Json) -> Json {
    let mut config = minimal();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    config.pointer_mut(parent).unwrap()[key] = value;
    config
}

fn route(sender: &Sender) -> (&Send, &Destination) {
    match &sender.routes[0].action {
        Action::Send(send, destination) => (send, destination),
        Action::Lookup(_) => panic!("a lookup"),
    }
}

fn sender(config: &Json) -> std::rc::Rc<Sender> {
    match parse(&config.to_string()).unwrap().role {
        Role::Sender(sender) => sender,
        Role::Gate(_) => panic!("a gate"),
    }
}

fn error(config: &Json) -> String {
    parse(&config.to_string()).unwrap_err()
}

fn warnings(config: &Json) -> Vec<String> {
    parse(&config.to_string()).unwrap().warnings.iter().map(ToString::to_string).collect()
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
        "delivery": {"timeout": "1m", "attempt_timeout": "0.5s", "max_in_flight": 7},
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
                "forward_headers": ["X-Tenant-Id"]
            },
            "reply": {"status": 200, "headers": {"Retry-After": "30"}, "body": {"ok": true}}
        }]
    });
    let sender = sender(&config);
    let (send, destination) = route(&sender);
    assert_eq!(destination.namespace, "contoso.servicebus.windows.net");
    assert!(matches!(
        *destination.credentials,
        Credentials::Sas { token_ttl, .. } if token_ttl == Duration::from_secs(1200)
    ));
    assert_eq!(sender.header_mode, HeaderMode::Continue);
    assert_eq!(sender.max_body_bytes, 1_048_576);
    assert_eq!(sender.delivery.callout_timeout(), Duration::from_millis(500));
    assert_eq!(sender.delivery.max_in_flight, 7);
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
    assert_eq!(send.forward_headers, ["x-tenant-id"]);
    let reply = &sender.routes[0].reply;
    assert_eq!(reply.status, Some(200));
    let headers: Vec<_> = reply.headers.iter().map(|(n, v)| (n.as_str(), v.literal())).collect();
    assert_eq!(headers, [("retry-after", Some("30"))]);
    assert!(matches!(&reply.body, Some(Tree::Fixed(body)) if *body == json!({"ok": true})));
}

#[test]
fn all_mistakes_are_reported_in_one_go() {
    let text = r#"{
        "namespace": "contoso/", "cluster": "", "credentials": {}, "color": "red",
        "delivery": {"timeout": 5, "retries": {"max": -1}},
        "routes": [
            {"name": "a", "match": {"path": "orders"}, "send": {"queue": "q", "topic": "t"}},
            {"name": "a", "match": {}, "send": {"queue": "q", "broker_properties": {
                "TimeToLive": "soon", "SequenceNumber": "1", "Priority": "x"}}},
            {"name": "b", "name": "c"}
        ]
    }"#;
    assert_eq!(
        parse(text).unwrap_err(),
        "namespace: expected a host such as \"contoso.servicebus.windows.net\", found \"contoso/\"\n\
         cluster: must not be empty\n\
         credentials: expected exactly one of sas, connection_string, managed_identity, \
         client_secret, upstream\n\
         delivery.timeout: expected a duration such as \"30s\", found 5\n\
         delivery.retries.max: expected an integer from 0 to 100, found -1\n\
         routes[0].match.path: expected a path such as \"/orders\", percent-encoded and without \
         query, found \"orders\"\n\
         routes[0].send: expected exactly one of queue, topic\n\
         routes[1].name: the name \"a\" is taken by an earlier route\n\
         routes[1].match: expected exactly one of path, path_prefix, path_template\n\
         routes[1].send.broker_properties.TimeToLive: expected a duration such as \"30s\", found \
         \"soon\"\n\
         routes[1].send.broker_properties.SequenceNumber: SequenceNumber is read-only: Service Bus \
         sets it\n\
         routes[1].send.broker_properties.Priority: not a broker property that can be set, expected \
         one of ContentType, CorrelationId, Label, MessageId, PartitionKey, ReplyTo, \
         ReplyToSessionId, ScheduledEnqueueTimeUtc, SessionId, Subject, TimeToLive, To, \
         ViaPartitionKey; a property of your own goes under `properties`\n\
         routes[2].name: the key stands here a second time\n\
         routes[2].match: is required\n\
         routes[2]: expected exactly one of send, lookup\n\
         color: unknown key, expected one of role, namespace, cluster, credentials, header_mode, \
         max_body_bytes, delivery, routes"
    );
}

#[test]
fn a_struct_configuration_is_explained() {
    let explanation = "the configuration must be a google.protobuf.StringValue that holds a JSON \
                       object; Envoy passes a google.protobuf.Struct on as protobuf bytes";
    for bytes in [&b""[..], b"\x0a\x1b\x0a\x04role", b"[]", b"\"text\"", b"  "] {
        let result = Config::parse(bytes, Environment::Unknown);
        assert_eq!(result.unwrap_err().to_string(), explanation);
    }
}

#[test]
fn a_text_that_is_no_json_is_refused_with_its_place() {
    let error = parse("{\n  \"role\": ,\n}").unwrap_err();
    assert_eq!(error, "not JSON: expected value at line 2 column 11");
}

#[test]
fn mistakes_name_their_place_and_what_was_expected() {
    let cases = [
        ("/role", json!("both"), "role: expected \"sender\" or \"gate\", found \"both\""),
        (
            "/header_mode",
            json!(true),
            "header_mode: expected \"pause\" or \"continue\", found true",
        ),
        (
            "/max_body_bytes",
            json!(1_048_577),
            "max_body_bytes: expected an integer from 1 to 1048576, found 1048577",
        ),
        (
            "/max_body_bytes",
            json!(0),
            "max_body_bytes: expected an integer from 1 to 1048576, found 0",
        ),
        ("/routes", json!([]), "routes: expected at least one route"),
        ("/routes", json!({}), "routes: expected a list, found an object"),
        (
            "/routes/0/name",
            json!("a b"),
            "routes[0].name: expected a name of 1 to 64 letters, digits, - and _, found \"a b\"",
        ),
        (
            "/routes/0/match/methods",
            json!(["post"]),
            "routes[0].match.methods[0]: expected a method such as \"POST\", found \"post\"",
        ),
        (
            "/routes/0/match/methods",
            json!([]),
            "routes[0].match.methods: must not be empty; leave it out to match any",
        ),
        (
            "/routes/0/match/hosts",
            json!(["a:80"]),
            "routes[0].match.hosts[0]: expected a host such as \"api.example.com\" or \
             \"*.example.com\", without port, found \"a:80\"",
        ),
        (
            "/routes/0/match/headers",
            json!({"a b": "c"}),
            "routes[0].match.headers[\"a b\"]: expected the name of a header",
        ),
        (
            "/routes/0/match",
            json!({"path_template": "/a/{b}/{b}"}),
            "routes[0].match.path_template: expected whole segments in braces, each name once, \
             such as \"/orders/{id}\", found \"/a/{b}/{b}\"",
        ),
        (
            "/routes/0/send/queue",
            json!("/orders"),
            "routes[0].send.queue: expected a path of 1 to 260 letters, digits, . - _ and /, with a \
             letter or digit at each end, found \"/orders\"",
        ),
        (
            "/routes/0/send/queue",
            json!("${path.queue}"),
            "routes[0].send.queue: at offset 2: unknown name `path.queue`: the route's path has no \
             captures",
        ),
        (
            "/routes/0/send/queue",
            json!("${request.json.queue}"),
            "routes[0].send.queue: holds an expression, so `allowed` must list what it may yield",
        ),
        (
            "/routes/0/send",
            json!({"queue": "${request.json.queue}", "allowed": ["a", "/b"]}),
            "routes[0].send.allowed[1]: expected a path of 1 to 260 letters, digits, . - _ and /, \
             with a letter or digit at each end, found \"/b\"",
        ),
        (
            "/routes/0/send/allowed",
            json!(["a"]),
            "routes[0].send.allowed: goes with a queue or topic that holds an expression, and this \
             one has none",
        ),
        (
            "/routes/0/send/payload",
            json!(5),
            "routes[0].send.payload: expected an object, a list or a string, found 5",
        ),
        (
            "/routes/0/send/payload",
            json!({"a": ["x${request.jason.b}"]}),
            "routes[0].send.payload.a[0]: at offset 3: unknown name `request.jason`, expected one of \
             body, headers, host, id, json, method, path, query, scheme, size, time, url_path",
        ),
        (
            "/routes/0/send/properties",
            json!({"a": "${request.json.a +}"}),
            "routes[0].send.properties.a: at offset 18: Syntax error: mismatched input '<EOF>'",
        ),
        (
            "/routes/0/send/content_type",
            json!("Application/vnd.microsoft.servicebus.JSON; charset=utf-8"),
            "routes[0].send.content_type: is the type that makes Service Bus read the body as a \
             batch",
        ),
        (
            "/routes/0/send/properties",
            json!({"a": null}),
            "routes[0].send.properties.a: expected a string, a number or a boolean, found null",
        ),
        (
            "/routes/0/send/forward_headers",
            json!(["Authorization"]),
            "routes[0].send.forward_headers[0]: authorization is not forwarded: credentials, \
             cookies and headers of the connection stay out of messages",
        ),
        (
            "/routes/0/send/forward_headers",
            json!(["x-a", "X-A"]),
            "routes[0].send.forward_headers[1]: x-a is a property already",
        ),
        (
            "/routes/0/send/broker_properties",
            json!({"SessionId": "a", "PartitionKey": "b"}),
            "routes[0].send.broker_properties: PartitionKey must equal SessionId when both are set",
        ),
        (
            "/routes/0/send/broker_properties",
            json!({"Label": "a", "Subject": "b"}),
            "routes[0].send.broker_properties.Subject: Label and Subject are the same property; set \
             one",
        ),
        (
            "/routes/0/send/broker_properties",
            json!({"SessionId": "s".repeat(129)}),
            "routes[0].send.broker_properties.SessionId: has more than 128 characters",
        ),
        (
            "/routes/0/send/broker_properties",
            json!({"CorrelationId": "s".repeat(32_769)}),
            "routes[0].send.broker_properties.CorrelationId: has more than 32768 bytes",
        ),
        (
            "/routes/0/send/broker_properties",
            json!({"TimeToLive": "0s"}),
            "routes[0].send.broker_properties.TimeToLive: expected a duration from 1s to \
             922337193600s, found \"0s\"",
        ),
        (
            "/routes/0/send/broker_properties",
            json!({"ScheduledEnqueueTimeUtc": "tomorrow"}),
            "routes[0].send.broker_properties.ScheduledEnqueueTimeUtc: expected a delay such as \
             \"+10m\", or a time in RFC 3339 or RFC 1123, found \"tomorrow\"",
        ),
        (
            "/routes/0/reply",
            json!({"status": 503}),
            "routes[0].reply.status: expected an integer from 200 to 299, found 503",
        ),
        (
            "/routes/0/reply",
            json!({"headers": {"content-length": "5"}}),
            "routes[0].reply.headers.content-length: cannot be set as a header of a reply",
        ),
        (
            "/routes/0/reply",
            json!({"headers": {"a": "b\r\nc: d"}}),
            "routes[0].reply.headers.a: expected visible ASCII characters, found \"b\\r\\nc: d\"",
        ),
        ("/routes/0/lookup", json!({}), "routes[0]: expected exactly one of send, lookup"),
        (
            "/routes/0/namespace",
            json!("a b"),
            "routes[0].namespace: expected a host such as \"contoso.servicebus.windows.net\", found \
             \"a b\"",
        ),
        (
            "/routes/0/reply",
            json!({"headers": {"location": "${lookup.body}"}}),
            "routes[0].reply.headers.location: at offset 2: `lookup` is there in the reply of a \
             lookup alone",
        ),
        (
            "/routes/0/reply",
            json!({"failures": {"tired": {}}}),
            "routes[0].reply.failures.tired: unknown reason, expected one of broker_error, \
             broker_unauthorized, broker_unreachable, credentials_unavailable, entity_not_found, \
             invalid_message, lookup_unavailable, message_rejected, misconfigured, not_found, \
             outcome_unknown, overloaded, payload_too_large, quota_exceeded, throttled",
        ),
        (
            "/routes/0/reply",
            json!({"failures": {"throttled": {"status": 202, "body": "${request.body}"}}}),
            "routes[0].reply.failures.throttled.status: expected an integer from 400 to 599, found \
             202\nroutes[0].reply.failures.throttled.body: at offset 2: `request.body` is not \
             there: the body is read for a message alone",
        ),
        (
            "/delivery",
            json!({"timeout": "0.1ms"}),
            "delivery.timeout: expected a duration from 1ms to 3600s, found \"0.1ms\"",
        ),
        (
            "/credentials",
            json!({"managed_identity": {}}),
            "credentials.managed_identity: is not available in this version; use sas, \
             connection_string or upstream",
        ),
    ];
    for (pointer, value, message) in cases {
        assert_eq!(error(&with(pointer, value.clone())), message, "{pointer} {value}");
    }
}

#[test]
fn secrets_come_from_the_environment() {
    let connection_string = json!({"connection_string": {"env": "SB_CONNECTION_STRING"}});
    let config = with("/credentials", connection_string);
    let sender = sender(&config);
    assert!(matches!(*route(&sender).1.credentials, Credentials::Sas { .. }));
    assert!(warnings(&config).is_empty());
}

#[test]
fn mistakes_in_credentials_show_no_secret() {
    let sas = |key: Json| json!({"sas": {"key_name": "send", "key": key}});
    let form = "expected {\"env\": NAME} or {\"inline\": SECRET}";
    let cases = [
        (sas(json!("canary")), format!("credentials.sas.key: {form}, found a string")),
        (sas(json!({})), format!("credentials.sas.key: {form}, found an object")),
        (
            sas(json!({"value": "canary"})),
            format!(
                "credentials.sas.key.value: unknown key, expected one of env, inline\n\
                 credentials.sas.key: {form}, found an object"
            ),
        ),
        (
            sas(json!({"env": "canary/+=="})),
            "credentials.sas.key.env: expected the name of an environment variable".to_owned(),
        ),
        (
            sas(json!({"inline": 5})),
            "credentials.sas.key.inline: expected a string, found a number".to_owned(),
        ),
        (
            sas(json!({"env": "SB_EMPTY"})),
            "credentials.sas.key.env: the environment variable SB_EMPTY is not set for the module; \
             name it in vm_config.environment_variables.host_env_keys"
                .to_owned(),
        ),
        (
            sas(json!({"inline": "canary".repeat(50)})),
            "credentials.sas: key_name and key must be 1 to 256 characters long".to_owned(),
        ),
        (
            json!({"connection_string": {"inline": "canary"}}),
            "credentials.connection_string: not a connection string: a part is not of the form \
             Name=Value"
                .to_owned(),
        ),
        (
            json!({"connection_string": {"inline": "Endpoint=sb://fabrikam.servicebus.windows.net/;\
                   SharedAccessKeyName=a;SharedAccessKey=canary"}}),
            "credentials.connection_string: is for the namespace \
             \"fabrikam.servicebus.windows.net\", but `namespace` is \
             \"contoso.servicebus.windows.net\""
                .to_owned(),
        ),
        (
            json!({"sas": {}, "upstream": {}}),
            "credentials: expected exactly one of sas, connection_string, managed_identity, \
             client_secret, upstream"
                .to_owned(),
        ),
    ];
    for (credentials, message) in cases {
        let found = error(&with("/credentials", credentials.clone()));
        assert_eq!(found, message, "{credentials}");
        assert!(!found.contains("canary"), "{found}");
    }
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
            "credentials.sas.secondary_key: has no effect in this version: only the first key \
             signs",
            "credentials.sas.token_ttl: is shorter than 20m: a clock that is off by 15 minutes \
             makes tokens invalid",
        ]
    );
    let no_effect = "has no effect in this version: each message is sent once, by itself";
    let delivery = json!({"retries": {}, "circuit_breaker": {}, "batch": {}});
    assert_eq!(
        warnings(&with("/delivery", delivery)),
        [
            format!("delivery.retries: {no_effect}"),
            format!("delivery.circuit_breaker: {no_effect}"),
            format!("delivery.batch: {no_effect}")
        ]
    );
    assert_eq!(
        warnings(&with("/routes/0/send/broker_properties", json!({"MessageId": "m"}))),
        ["routes[0].send.broker_properties.MessageId: is the same for every message: where \
          duplicate detection is on, Service Bus keeps the first and drops the others"]
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
    let lone = json!({"role": "gate", "routes": [{"match": {"path": "/orders"}}]});
    let Role::Gate(lone) = parse(&lone.to_string()).unwrap().role else { panic!("a sender") };
    assert_eq!(lone.matches, gate.matches);
    let wrong = json!({"role": "gate", "colour": 1, "routes": [{"send": {}}]});
    assert_eq!(
        error(&wrong),
        "routes[0].match: is required\n\
         colour: unknown key, expected one of role, namespace, cluster, credentials, header_mode, \
         max_body_bytes, delivery, routes"
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
        Action::Send(_, destination) => std::rc::Rc::clone(destination),
        Action::Lookup(_) => panic!("a lookup"),
    };
    let contoso = "contoso.servicebus.windows.net";
    assert_eq!(destination(0).namespace, contoso);
    assert_eq!(destination(1).namespace, "fabrikam.servicebus.windows.net");
    assert!(matches!(*destination(1).credentials, Credentials::Sas { .. }));
    assert_eq!(
        (destination(2).namespace.as_str(), destination(2).cluster.as_str()),
        (contoso, "third")
    );
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
fn what_is_missing_is_named_once() {
    assert_eq!(
        error(&json!({})),
        "routes: is required\nnamespace: is required\ncluster: is required\n\
         credentials: is required"
    );
    let route = |name: &str| json!({"name": name, "match": {"path": "/a"}, "send": {"queue": "a"}});
    assert_eq!(
        error(&json!({"cluster": "c", "routes": [route("a"), route("b")]})),
        "namespace: is required\ncredentials: is required"
    );
}

#[test]
fn a_connection_string_stays_in_its_namespace() {
    let mut config =
        with("/credentials", json!({"connection_string": {"env": "SB_CONNECTION_STRING"}}));
    config["routes"][0]["namespace"] = json!("fabrikam.servicebus.windows.net");
    assert_eq!(
        error(&config),
        "routes[0].namespace: needs credentials of its own: the general connection string is for \
         \"contoso.servicebus.windows.net\""
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
    let readme = include_str!("../README.md");
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
