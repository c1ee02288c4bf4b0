//! `import-apim`, as its users run it.

use serde_json::{Value as Json, json};

use crate::check::check;
use crate::program::{Ended, run, run_with};
use crate::render::Temporary;

/// Runs `import-apim` for `POST /orders/{id}`.
fn import(policy: &str, more: &[&str]) -> Ended {
    let own = ["import-apim", "-", "--operation", "POST /orders/{order-id}?page={page}"];
    run_with(&[&own[..], more].concat(), &[], policy)
}

const NAMESPACE: [&str; 2] = ["--namespace", "contoso.servicebus.windows.net"];

/// The policy's own element with a body, and an empty answer.
fn send(inside: &str) -> String {
    format!(
        "<send-service-bus-message queue-name=\"orders\">{inside}</send-service-bus-message>\
         <return-response />"
    )
}

#[test]
fn programs_get_json() {
    let ended = import(&format!("\n<cors />{}", send("")), &["--json", "--namespace=a.b"]);
    let told: Json = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
    assert_eq!(told["configuration"]["namespace"], "a.b");
    let why = "Envoy's cors does this, before the filter";
    let left = json!([{"file": "<stdin>", "line": 2, "column": 1, "what": "cors", "why": why}]);
    assert_eq!(told["left_out"], left);
}

#[test]
fn what_is_printed_passes_check() {
    let ended = import(&send("<payload>a</payload>"), &NAMESPACE);
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let checked = check(&ended.stdout);
    assert_eq!(checked, Ended::quiet(0, "1 configuration: 0 errors, 0 warnings\n"));
}

#[test]
fn a_policy_that_sends_nothing_yields_nothing() {
    let ended = import("<policies><inbound><base /></inbound></policies>", &[]);
    let why = "<stdin>:1:1: left out: policy: sends nothing to Service Bus, and asks no other \
               service\n";
    let stderr = why.to_owned();
    assert_eq!(ended, Ended { code: 1, stdout: String::new(), stderr });
}

#[test]
fn what_is_turned_yields_what_it_did() {
    let codes = [
        r#"@(context.Request.Headers.GetValueOrDefault("X-A", "none"))"#,
        r#"@(context.Request.Headers.GetValueOrDefault("X-B", "none"))"#,
        r#"@((string)context.Request.Body.As<JObject>()["a"] ?? "none")"#,
        r#"@((string)context.Request.Body.As<JObject>()["z"] ?? "none")"#,
        r#"@((string)context.Request.Body.As<JObject>()["z"]?["y"] ?? "none")"#,
        r#"@(context.Request.Headers.ContainsKey("X-A") ? "yes" : "no")"#,
        r#"@(context.Request.Url.Query.GetValueOrDefault("q", "1"))"#,
        r#"@(string.IsNullOrEmpty(context.Request.Headers.GetValueOrDefault("X-B")) ? "yes" : "no")"#,
        r#"@(context.Request.Body.As<JObject>()["l"].Count > 1 || context.Request.Method == "PUT")"#,
        r#"@("it's " + context.Request.MatchedParameters["order-id"])"#,
        r#"@(context.Request.Body.As<JObject>()["z"] != null ? "yes" : "no")"#,
        r#"@(context.Request.Body.As<JObject>()["a"] != null ? "yes" : "no")"#,
        r#"@(context.Request.Body.As<JObject>()["z"] ?? context.Request.Headers["X-B"] ?? "last")"#,
    ];
    let property = |(n, code): (usize, &&str)| {
        format!("<message-property name='p{n}'>{code}</message-property>")
    };
    let properties: String = codes.iter().enumerate().map(property).collect();
    let policy = send(&format!("<message-properties>{properties}</message-properties>"));
    let config = Temporary::new("imported", &import(&policy, &NAMESPACE).stdout);
    let request = "POST /orders/9?q=7\nhost: a\nx-a: 1\n\n{\"a\": \"b\", \"l\": [1, 2]}";
    let render = ["render", "--json", "--config", config.path(), "--request", "-"];
    let told: Json = serde_json::from_str(&run_with(&render, &[], request).stdout).unwrap();
    let headers = told["callout"]["headers"].as_array().unwrap();
    let found = |n: usize| headers.iter().find(|pair| pair[0] == format!("p{n}")).map(|it| &it[1]);
    let values: Vec<_> = (0..codes.len()).map(|n| found(n).unwrap().as_str().unwrap()).collect();
    assert_eq!(
        values,
        [
            "\"1\"",
            "\"none\"",
            "\"b\"",
            "\"none\"",
            "\"none\"",
            "\"yes\"",
            "\"7\"",
            "\"yes\"",
            "true",
            "\"it's 9\"",
            "\"no\"",
            "\"yes\"",
            "\"last\""
        ]
    );
}

#[test]
fn the_page_about_api_management_shows_what_is_printed() {
    let policy = "src/command/tests/command/policies/guarded.xml";
    let ended = run(&["import-apim", "--operation", "POST /orders", policy]);
    assert_eq!(ended.code, 1);
    let page = include_str!("../../../../docs/migrating-from-api-management.md");
    let shown = format!("--operation 'POST /orders' {policy} > plugin.json\n{}```\n", ended.stderr);
    assert!(page.contains(&shown), "{shown}");
}

#[test]
fn what_cannot_be_read_ends_with_2() {
    for (policy, reason) in [
        ("<a>\n <b>\n</a>", "<stdin>:3:1: </a> closes no element"),
        ("<a>\n <b c='1'>", "<stdin>:2:2: <b> is not closed"),
        ("<a b>", "<stdin>:1:4: expected an attribute"),
        ("<a b='@(1)x/>", "<stdin>:1:7: expected ' after the value"),
        ("<a b='1/>", "<stdin>:1:7: expected ' after the value"),
        ("< a/>", "<stdin>:1:1: expected the name of an element after <"),
        ("<!-- a", "<stdin>:1:5: expected \"-->\""),
    ] {
        assert_eq!(import(policy, &[]), Ended::unusable(reason), "{policy}");
    }
    let wrong = import("<a/>", &["--operation", "orders"]);
    assert_eq!(wrong.code, 2);
    let deep = format!("{}{}", "<a>".repeat(5000), "</a>".repeat(5000));
    assert_eq!(import(&deep, &[]).code, 2);
    for (before, inside, after) in [
        ("(", "1", ")"),
        ("!", "true", ""),
        ("(int)", "1", ""),
        ("(string)", "1", ""),
        ("a ?? ", "1", ""),
        ("1 + ", "1", ""),
        ("", "context", ".Request"),
        ("", "a", "[0]"),
        ("a ? 1 : ", "1", ""),
        ("new { a = ", "1", " }"),
        ("$\"{", "1", "}\""),
        ("a(", "1", ")"),
    ] {
        let code = format!("{}{inside}{}", before.repeat(20_000), after.repeat(20_000));
        let ended = import(&send(&format!("<payload>@({code})</payload>")), &[]);
        assert_eq!(ended.code, 1, "{before}{after}: {ended:?}");
        assert!(ended.stderr.contains("nested too deep"), "{before}{after}: {ended:?}");
    }
}
