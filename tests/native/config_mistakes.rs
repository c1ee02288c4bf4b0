//! Each mistake in a configuration, with its place.

use crate::common::configuration::{error, parse, with};
use envoy_service_bus::config::{Config, Environment};
use serde_json::{Value as Json, json};

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
         max_body_bytes, filter_state, jwt_payload_key, delivery, routes"
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
        ("/routes/0/match/methods", json!([]), "routes[0].match.methods: must not be empty"),
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
            "routes[0].send.forward_headers[0]: authorization is not forwarded: credentials \
             and cookies stay out of messages",
        ),
        (
            "/routes/0/send/forward_headers",
            json!([{"header": "Content-Type", "as": "kind"}]),
            "routes[0].send.forward_headers[0].header: content-type is not forwarded: the message \
             has it already, as its ContentType; `content_type` sets another",
        ),
        (
            "/routes/0/send/forward_headers",
            json!(["transfer-encoding"]),
            "routes[0].send.forward_headers[0]: transfer-encoding is not forwarded: it belongs to \
             the connection or the framing of the request",
        ),
        (
            "/routes/0/send/forward_headers",
            json!(["*"]),
            "routes[0].send.forward_headers[0]: each header is named by itself: `*` stands for no \
             others",
        ),
        (
            "/routes/0/send/forward_headers",
            json!([{"header": "x-a", "as": "b"}, {"header": "x-c", "as": "B"}]),
            "routes[0].send.forward_headers[1]: B is a property already",
        ),
        (
            "/routes/0/send/forward_headers",
            json!([{"header": "x-a"}]),
            "routes[0].send.forward_headers[0].as: is required",
        ),
        (
            "/routes/0/send/forward_headers",
            json!([5]),
            "routes[0].send.forward_headers[0]: expected the name of a header, or an object with \
             header and as, found 5",
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
             broker_forbidden, broker_unauthorized, broker_unreachable, circuit_open, credentials_unavailable, entity_not_found, \
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
            "credentials.managed_identity.source: is required\n\
             credentials.managed_identity.cluster: is required",
        ),
        (
            "/credentials",
            json!({"managed_identity": {
                "source": "vm", "cluster": "", "client_id": "a", "object_id": "b"
            }}),
            "credentials.managed_identity.source: expected \"imds\" or \"app_service\", found \
             \"vm\"\n\
             credentials.managed_identity.cluster: must not be empty\n\
             credentials.managed_identity: expected at most one of client_id, object_id, \
             resource_id",
        ),
        (
            "/credentials",
            json!({"managed_identity": {
                "source": "imds", "cluster": "imds", "path": "/a", "authority": "a/b",
                "audience": "https://servicebus.azure.net/"
            }}),
            "credentials.managed_identity.authority: expected a host, with a port if need be, \
             found \"a/b\"\n\
             credentials.managed_identity.audience: expected a URL such as \
             \"https://servicebus.azure.net\", without a slash at its end, found \
             \"https://servicebus.azure.net/\"\n\
             credentials.managed_identity.path: goes with the source \"app_service\" alone",
        ),
        (
            "/credentials",
            json!({"managed_identity": {
                "source": "app_service", "cluster": "identity", "path": "msi?x"
            }}),
            "credentials.managed_identity.identity_header: is required\n\
             credentials.managed_identity.path: expected the path of IDENTITY_ENDPOINT, such as \
             \"/msi/token\", found \"msi?x\"",
        ),
        (
            "/credentials",
            json!({"client_secret": {"cluster": "entra", "secret": "canary"}}),
            "credentials.client_secret.tenant_id: is required\n\
             credentials.client_secret.client_id: is required\n\
             credentials.client_secret.secret: expected {\"env\": NAME} or {\"inline\": SECRET}, \
             found a string",
        ),
        (
            "/delivery",
            json!({"timeout": "1s", "batch": {"linger": "1s", "max_messages": 0}}),
            "delivery.batch.max_messages: expected an integer from 1 to 10000, found 0\n\
             delivery.batch.linger: must be shorter than delivery.timeout",
        ),
    ];
    for (pointer, value, message) in cases {
        assert_eq!(error(&with(pointer, value.clone())), message, "{pointer} {value}");
    }
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
        (
            json!("Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKey=canary"),
            "credentials: expected an object, found a string".to_owned(),
        ),
    ];
    for (credentials, message) in cases {
        let found = error(&with("/credentials", credentials.clone()));
        assert_eq!(found, message, "{credentials}");
        assert!(!found.contains("canary"), "{found}");
    }
    // Written without the object around it.
    for kind in ["sas", "managed_identity", "client_secret", "upstream"] {
        let found = error(&with("/credentials", json!({kind: "canary~secret"})));
        assert_eq!(found, format!("credentials.{kind}: expected an object, found a string"));
    }
    let form = "expected true, or an object with header and value, found a string";
    let mut config = with("/credentials", json!({"upstream": {}}));
    config["routes"][0]["dry_run"] = json!("canary");
    assert_eq!(error(&config), format!("routes[0].dry_run: {form}"));
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
