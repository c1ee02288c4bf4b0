//! What expressions yield for a request.

use std::time::Duration;

use envoy_service_bus::http::Found;
use envoy_service_bus::http::Headers;
use envoy_service_bus::template::{Attributes, EvalError, Names, Needs, Scope, Template};
use proptest::prelude::*;
use serde_json::{Value, json};

const BODY: &str = r#"{
    "orderId": "o-1", "amount": 1.10, "big": 12345678901234567890, "count": 3, "vip": true,
    "nothing": null, "customer": {"id": "c 1", "tags": ["a", "b"]}, "items": [{"sku": "x", "n": 2}],
    "odd key": 1, "quote": "say \"hi\"\n"
}"#;

fn names() -> Names {
    Names::new(Some(vec!["id".to_owned()]), true, true)
}

fn headers() -> Headers {
    [
        (":method", &b"POST"[..]),
        (":scheme", b"https"),
        (":authority", b"api.example.com"),
        (":path", b"/orders/a%2Fb?x=1&y=a+b%20c&x=2&z"),
        ("x-tenant", b"contoso"),
        ("x-many", b"1"),
        ("x-many", b"2"),
        ("x-request-id", b"r-1"),
    ]
    .into_iter()
    .collect()
}

fn evaluate(text: &str) -> Result<Option<Value>, EvalError> {
    evaluate_with(text, BODY.as_bytes())
}

fn evaluate_with(text: &str, body: &[u8]) -> Result<Option<Value>, EvalError> {
    let template = Template::parse(text, &names()).unwrap_or_else(|e| panic!("{text}: {e}"));
    let headers = headers();
    let attributes = Attributes {
        jwt: Some(json!({"sub": "alice", "roles": ["admin"], "exp": 5})),
        source_address: Some("10.0.0.1:5000".to_owned()),
    };
    let found = Found {
        status: 200,
        headers: [("etag", "e1")].into_iter().collect(),
        body: br#"{"status":"done","progress":100}"#.to_vec(),
    };
    let captures = [("id".to_owned(), "a%2Fb".to_owned())];
    let mut scope = Scope::new(&headers, &attributes, || Some([0x5a; 16]));
    scope.body = body;
    scope.captures = &captures;
    scope.tracking_id = "t-1";
    scope.route = "orders";
    scope.now = Some(Duration::from_millis(1_795_219_200_250));
    scope.lookup = Some(&found);
    template.value(&scope)
}

fn yields(text: &str, expected: Value) {
    assert_eq!(evaluate(text), Ok(Some(expected)), "{text}");
}

#[test]
fn each_name_is_read_directly_and_by_the_interpreter() {
    let cases = [
        ("request.method", json!("POST")),
        ("request.scheme", json!("https")),
        ("request.host", json!("api.example.com")),
        ("request.path", json!("/orders/a%2Fb?x=1&y=a+b%20c&x=2&z")),
        ("request.url_path", json!("/orders/a%2Fb")),
        ("request.query", json!({"x": "1", "y": "a b c", "z": ""})),
        ("request.query.y", json!("a b c")),
        ("request.query['x']", json!("1")),
        ("request.id", json!("r-1")),
        ("request.headers['x-tenant']", json!("contoso")),
        ("request.headers['x-many']", json!("1,2")),
        ("request.size", json!(BODY.len())),
        ("request.time", json!("2026-11-21T00:00:00.250Z")),
        ("request.body", json!(BODY)),
        ("request.json.orderId", json!("o-1")),
        ("request.json.count", json!(3)),
        ("request.json.vip", json!(true)),
        ("request.json.nothing", Value::Null),
        ("request.json.customer.tags[1]", json!("b")),
        ("request.json.items", json!([{"sku": "x", "n": 2}])),
        ("request.json['odd key']", json!(1)),
        ("path.id", json!("a/b")),
        ("tracking_id", json!("t-1")),
        ("now", json!("2026-11-21T00:00:00.250Z")),
        ("jwt.sub", json!("alice")),
        ("jwt.roles[0]", json!("admin")),
        ("source.address", json!("10.0.0.1:5000")),
        ("route.name", json!("orders")),
        ("lookup.status", json!(200)),
        ("lookup.headers.etag", json!("e1")),
        ("lookup.body", json!(r#"{"status":"done","progress":100}"#)),
        ("lookup.json.progress", json!(100)),
        ("uuid()", json!("5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a")),
    ];
    for (name, expected) in cases {
        assert_eq!(evaluate(&format!("${{{name}}}")), Ok(Some(expected.clone())), "{name}");
        // Anything around the name makes it an expression of the interpreter.
        let found = evaluate(&format!("${{[{name}][0]}}")).unwrap().unwrap();
        assert_eq!(sorted(&found), sorted(&expected), "{name}");
    }
}

/// The interpreter's maps have no order.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.iter().map(|(key, value)| format!("{key}:{}", sorted(value))).collect();
            members.sort();
            members.join(",")
        }
        Value::Array(items) => items.iter().map(sorted).collect::<Vec<_>>().join(";"),
        other => other.to_string(),
    }
}

#[test]
fn untouched_numbers_keep_their_digits() {
    for (name, digits) in [("amount", "1.10"), ("big", "12345678901234567890"), ("count", "3")] {
        let value = evaluate(&format!("${{request.json.{name}}}")).unwrap().unwrap();
        assert_eq!(value.to_string(), digits);
    }
    let value = evaluate_with("${request.json}", b"{\"a\":[-0.0,0.10,1e-7]}").unwrap().unwrap();
    assert_eq!(value.to_string(), "{\"a\":[-0.0,0.10,1e-7]}");
}

#[test]
fn texts_are_joined() {
    yields("order ${request.json.orderId} of ${request.json.count}", json!("order o-1 of 3"));
    yields("${request.json.amount}!", json!("1.10!"));
    yields("${request.json.customer.tags}.", json!("[\"a\",\"b\"]."));
    yields("$${now} ${tracking_id}", json!("${now} t-1"));
}

#[test]
fn expressions_of_the_language_work() {
    yields("${request.json.count + 1}", json!(4));
    yields("${request.json.count > 2 && request.json.vip}", json!(true));
    yields("${request.json.vip ? 'gold' : 'base'}", json!("gold"));
    yields("${has(request.json.missing) ? request.json.missing : 'none'}", json!("none"));
    yields("${has(request.headers.nope)}", json!(false));
    yields("${'x-tenant' in request.headers}", json!(true));
    yields("${'x-a' in request.headers ? request.headers['x-a'] : 'b'}", json!("b"));
    yields("${request.headers['x-' + 'tenant']}", json!("contoso"));
    yields("${size(request.json.items)}", json!(1));
    yields("${request.json.orderId.startsWith('o-')}", json!(true));
    yields("${'admin' in jwt.roles}", json!(true));
    yields("${request.json.items.exists(i, i.n > 1)}", json!(true));
    yields("${request.json.items.map(i, i.sku)}", json!(["x"]));
    yields("${request.json.items.filter(i, i.sku == 'x').map(i, i.sku + 'y')}", json!(["xy"]));
    yields("${{'b': 1, 'a': [request.json.count]}}", json!({"a": [3], "b": 1}));
    yields("${string(request.json.count) + ':' + tracking_id}", json!("3:t-1"));
    yields("${[uuid(), uuid()].size()}", json!(2));
}

#[test]
fn what_is_not_there_is_nothing() {
    let cases = [
        "${request.headers['x-absent']}",
        "${request.json.absent}",
        "${request.json.items[5]}",
        "${request.json.orderId.deeper}",
        "${request.query.absent}",
        "${jwt.absent}",
        "a ${request.json.absent} b",
        "a ${request.json.nothing} b",
        "${request.json.absent + 'x'}",
        "${[1][request.json.count]}",
    ];
    for text in cases {
        assert_eq!(evaluate(text), Ok(None), "{text}");
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let cases = [
        ("${request.json.a}", &b"not json"[..], EvalError::NotJson),
        ("${request.json.a}", b"", EvalError::NotJson),
        ("${request.json.a + 1}", b"{\"a\":\"text\"}", EvalError::Failed),
        ("${1 / request.json.a}", b"{\"a\":0}", EvalError::Failed),
        ("${request.json.a + 1}", b"{\"a\":9223372036854775807}", EvalError::Failed),
        ("${request.body}", b"\xff", EvalError::Undecodable),
    ];
    for (text, body, error) in cases {
        assert_eq!(evaluate_with(text, body), Err(error), "{text}");
    }
}

#[test]
fn mistakes_are_found_when_a_template_is_read() {
    let cases = [
        ("a ${", 2, "`${` has no closing `}`"),
        (
            "${requst.json}",
            2,
            "unknown name `requst`, expected one of jwt, lookup, message, now, path, \
          request, route, source, tracking_id",
        ),
        (
            "${1 + requst.json.a}",
            6,
            "unknown name `requst`, expected one of jwt, lookup, \
          message, now, path, request, route, source, tracking_id",
        ),
        (
            "${request}",
            2,
            "say what to read of `request`: one of body, headers, host, id, json, \
          method, path, query, scheme, size, time, url_path",
        ),
        ("${request.headers}", 2, "say what to read of `request.headers`"),
        ("${request.headers['X-A']}", 2, "names of headers are in lower case: `x-a`"),
        ("${request.method.length}", 2, "`request.method` has nothing in it"),
        ("${path.nr}", 2, "unknown name `path.nr`, expected one of id"),
        ("x${'a'.matches('b')}", 14, "unknown function `matches`"),
        ("${uuid(1) + ''}", 6, "`uuid` takes no argument"),
        ("${request.json.a.map(x, x.map(y, y))}", 29, "a loop inside a loop is not available"),
        ("${a b}", 4, "Syntax error: extraneous input 'b'"),
    ];
    for (text, offset, message) in cases {
        let error = Template::parse(text, &names()).unwrap_err();
        assert_eq!(error.message, message, "{text}");
        assert_eq!(error.offset, offset, "{text}");
    }
    let bare = Names::new(Some(vec![]), false, false);
    for (text, message) in [
        ("${request.json.a}", "`request.json` is not there: the body is read for a message alone"),
        ("${lookup.json.a}", "`lookup` is there in the reply of a lookup alone"),
        ("${path.a}", "unknown name `path.a`: the route's path has no captures"),
    ] {
        assert_eq!(Template::parse(text, &bare).unwrap_err().message, message);
    }
}

#[test]
fn only_what_is_used_is_asked_of_the_host() {
    let needs = |text: &str| {
        let names = names();
        Template::parse(text, &names).unwrap();
        names.needs()
    };
    assert_eq!(needs("${request.json.a}"), Needs::default());
    assert_eq!(needs("${jwt.sub}"), Needs { jwt: true, source_address: false });
    assert_eq!(needs("${source.address + ''}"), Needs { jwt: false, source_address: true });
}

#[test]
fn a_loop_goes_over_a_bounded_request_alone() {
    let body = |count: usize| format!("{{\"a\":[{}]}}", vec!["1"; count].join(","));
    let looped = "${request.json.a.all(x, x == 1)}";
    // The request, its JSON and the list count too.
    assert_eq!(evaluate_with(looped, body(996).as_bytes()), Ok(Some(json!(true))));
    assert_eq!(evaluate_with(looped, body(998).as_bytes()), Err(EvalError::TooCostly));
    // Few values, but each may be joined with a large text.
    let large =
        format!("{{\"t\":\"{}\",\"a\":[{}]}}", "x".repeat(100_000), vec!["1"; 200].join(","));
    let joined = "${request.json.a.map(x, request.json.t)}";
    assert_eq!(evaluate_with(joined, large.as_bytes()), Err(EvalError::TooCostly));
    // Without a loop the size is no matter.
    let plain = evaluate_with("${size(request.json.a)}", body(50_000).as_bytes());
    assert_eq!(plain, Ok(Some(json!(50_000))));
}

#[test]
fn no_value_is_larger_than_a_message() {
    let body = vec![b'a'; 300_000];
    let twice = evaluate_with("${request.body + request.body}", &body);
    assert_eq!(twice.map(|value| value.unwrap().as_str().unwrap().len()), Ok(600_000));
    for text in [
        "${request.body + request.body + request.body + request.body}",
        "${request.body}${request.body}${request.body}${request.body}",
        "${[request.body, request.body, request.body, request.body]}",
        "${{'a': request.body + request.body, 'b': request.body + request.body}}",
    ] {
        assert_eq!(evaluate_with(text, &body), Err(EvalError::TooLarge), "{text}");
    }
}

#[test]
fn a_body_nested_too_deep_is_no_json() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    assert_eq!(evaluate_with("${request.json}", deep.as_bytes()), Err(EvalError::NotJson));
}

#[test]
fn what_is_inserted_in_a_path_stays_in_its_segment() {
    let headers: Headers = [("x-id", "../a/b?c#d %\u{e9}\r\n")].into_iter().collect();
    let attributes = Attributes::default();
    let scope = Scope::new(&headers, &attributes, || None);
    let template = Template::parse("/status/${request.headers['x-id']}/x", &names()).unwrap();
    assert_eq!(
        template.path(&scope).unwrap().as_deref(),
        Some("/status/..%2Fa%2Fb%3Fc%23d%20%25%C3%A9%0D%0A/x")
    );
}

proptest! {
    #[test]
    fn no_text_makes_a_template_panic(text in "\\PC{0,40}") {
        let _ = Template::parse(&text, &names());
    }

    #[test]
    fn no_expression_panics(source in "[a-z0-9 .+*/%'\"\\[\\](){},?:!<>=&|_-]{0,30}") {
        let _ = Template::parse(&format!("${{{source}}}"), &names());
    }

    #[test]
    fn no_body_makes_an_expression_panic(body: Vec<u8>, number: i64, text: String) {
        let json = json!({"a": number, "b": text, "c": [number, text]}).to_string();
        for body in [body.as_slice(), json.as_bytes()] {
            for source in [
                "request.json.a", "request.json.a * request.json.a", "request.json.a / 7 % 3",
                "request.json.b + request.json.b", "request.json.c[request.json.a]",
                "request.json == request.json.c", "-request.json.a", "int(request.json.b)",
                "request.body + request.body", "double(request.json.b) > 1.0",
                "request.json.c.filter(x, x != 1)", "string(request.json.a)",
            ] {
                let _ = evaluate_with(&format!("${{{source}}}"), body);
            }
        }
    }
}
