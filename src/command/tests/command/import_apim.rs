//! Policies of API Management as configurations.

use serde_json::{Value as Json, json};

use crate::check::check;
use crate::program::{Ended, run_with};
use crate::render::Temporary;

/// Runs `import-apim` for `POST /orders/{id}`.
pub(crate) fn import(policy: &str, more: &[&str]) -> Ended {
    let own = ["import-apim", "-", "--operation", "POST /orders/{order-id}?page={page}"];
    run_with(&[&own[..], more].concat(), &[], policy)
}

/// The route, and what was left out; the configuration passes `check`.
pub(crate) fn imported(policy: &str, more: &[&str]) -> (Json, Vec<String>) {
    let ended = import(policy, more);
    let config: Json = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    let checked = check(&ended.stdout);
    assert_eq!(checked, Ended::quiet(0, "1 configuration: 0 errors, 0 warnings\n"), "{config:#}");
    let left: Vec<_> = ended.stderr.lines().map(|it| it.replace("<stdin>:", "")).collect();
    assert_eq!(ended.code, i32::from(!left.is_empty()), "{left:?}");
    (config, left)
}

const NAMESPACE: [&str; 2] = ["--namespace", "contoso.servicebus.windows.net"];

/// The policy's own element with a body.
pub(crate) fn send(inside: &str) -> String {
    format!("<send-service-bus-message queue-name=\"orders\">{inside}</send-service-bus-message>")
}

#[test]
fn the_shortest_policy_sends_the_body_as_it_is() {
    let policy = "<policies><inbound><base/>\n\
        <send-service-bus-message topic-name='eu/orders' client-id='7f'\n  \
        namespace='contoso.servicebus.windows.net'>\n  <message-properties>\n    \
        <message-property name='Source'>web</message-property>\n  </message-properties>\n  \
        <payload>@(context.Request.Body.As<string>(preserveContent: true))</payload>\n\
        </send-service-bus-message>\n</inbound></policies>";
    let (config, left) = imported(policy, &[]);
    assert_eq!(left, [""; 0]);
    assert_eq!(
        config,
        json!({
            "namespace": "contoso.servicebus.windows.net",
            "cluster": "servicebus",
            "credentials": {
                "managed_identity": {"cluster": "imds", "source": "imds", "client_id": "7f"}
            },
            "routes": [{
                "name": "eu-orders",
                "match": {"methods": ["POST"], "path_template": "/orders/{order_id}"},
                "send": {"topic": "eu/orders", "properties": {"Source": "web"}}
            }]
        })
    );
}

/// Expressions, and what they become.
const EXPRESSIONS: &[(&str, &str)] = &[
    (r#"@(context.Request.Headers.GetValueOrDefault("X-A"))"#, "${request.headers['x-a']}"),
    (
        r#"@(context.Request.Headers.GetValueOrDefault("X-A", "it's"))"#,
        r"${'x-a' in request.headers ? request.headers['x-a'] : 'it\'s'}",
    ),
    (r#"@(context.Request.Headers["X-A"].First())"#, "${request.headers['x-a']}"),
    (r#"@(context.Request.Headers["X-A"][0])"#, "${request.headers['x-a']}"),
    ("@(context.RequestId)", "${tracking_id}"),
    ("@(context.RequestId.ToString())", "${tracking_id}"),
    (r#"@(context.Request.MatchedParameters["order-id"])"#, "${path.order_id}"),
    (
        r#"@(context.Request.MatchedParameters.GetValueOrDefault("order-id",""))"#,
        "${path.order_id}",
    ),
    (r#"@(context.Request.MatchedParameters["page"])"#, "${request.query['page']}"),
    (
        r#"@(context.Request.Url.Query.GetValueOrDefault("a-b", "1"))"#,
        "${'a-b' in request.query ? request.query['a-b'] : '1'}",
    ),
    ("@(context.Request.OriginalUrl.Path)", "${request.url_path}"),
    ("@(context.Request.Url.Host)", "${request.host}"),
    (
        "@(context.Request.Method + \" \" + context.Request.IpAddress)",
        "${request.method} ${source.address}",
    ),
    ("@(context.Operation.Name)", "${route.name}"),
    ("@(Guid.NewGuid().ToString())", "${tracking_id}"),
    ("@(DateTime.UtcNow.ToString(\"O\"))", "${now}"),
    (r#"@(context.Request.Body.As<JObject>()["a"]["b c"][0])"#, "${request.json.a['b c'][0]}"),
    (
        r#"@(context.Request.Body.As<JObject>(true)?["a"]?.Value<string>("b"))"#,
        "${request.json.a.b}",
    ),
    (
        r#"@(JObject.Parse(context.Request.Body.As<string>()).SelectToken("a.b"))"#,
        "${request.json.a.b}",
    ),
    (
        r#"@((string)context.Request.Body.As<JObject>()["a"] ?? "none")"#,
        "${has(request.json.a) && request.json.a != null ? string(request.json.a) : 'none'}",
    ),
    (
        r#"@(context.Request.Headers["A"] ?? context.Request.Headers["B"] ?? "x")"#,
        "${'a' in request.headers ? request.headers['a'] : ('b' in request.headers ? \
         request.headers['b'] : 'x')}",
    ),
    (
        r#"@(context.Request.Body.As<JObject>()["a"] != null ? "yes" : "no")"#,
        "${(has(request.json.a) && request.json.a != null) ? 'yes' : 'no'}",
    ),
    (
        r#"@(null == context.Request.Headers.GetValueOrDefault("A") ? "no" : "yes")"#,
        "${(!('a' in request.headers)) ? 'no' : 'yes'}",
    ),
    (
        r#"@((string)context.Request.Body.As<JObject>()["a"] + context.Request.Body.As<JObject>()["b"].ToString())"#,
        "${request.json.a}${request.json.b}",
    ),
    ("@(5.ToString() + (string)6)", "56"),
    (r#"@($"{context.RequestId}-{{ x }}")"#, "${tracking_id}-{ x }"),
    ("@(\"a\\tb\" + 1 + true)", "a\tb1true"),
    (r#"@("\a\b\f\v\x41\x9z\u00e9\U0001F600")"#, "\u{7}\u{8}\u{c}\u{b}A\tz\u{e9}\u{1f600}"),
    ("costs ${5}", "costs $${5}"),
    (
        r#"@(context.Request.Headers.ContainsKey("X-A") ? "yes" : "no")"#,
        "${('x-a' in request.headers) ? 'yes' : 'no'}",
    ),
    (
        r#"@(context.Request.Method == "PUT" && !(context.Request.Url.Path.Contains("x")))"#,
        "${(request.method == 'PUT') && (!request.url_path.contains('x'))}",
    ),
    (
        r#"@(context.Request.Body.As<JObject>()["items"].Count > 3)"#,
        "${size(request.json.items) > 3}",
    ),
    (
        r#"@(context.Request.Headers.GetValueOrDefault("Authorization","").AsJwt()?.Subject)"#,
        "${jwt.sub}",
    ),
    (
        r#"@(context.Request.Headers["Authorization"].First().Split(' ')[1].AsJwt().Claims["oid"][0])"#,
        "${jwt.oid}",
    ),
    (r#"@((string)context.Variables["who"])"#, "${request.headers['x-who']}"),
    (
        r#"@(context.Variables.GetValueOrDefault<string>("who", "nobody"))"#,
        "${'x-who' in request.headers ? request.headers['x-who'] : 'nobody'}",
    ),
    (
        r#"@{ var a = context.Request.Method; /* ) */ var b = "}"; // "
           return a + b; }"#,
        "${request.method}}",
    ),
    ("@(context.Request.Headers.GetValueOrDefault(&quot;X-A&quot;))", "${request.headers['x-a']}"),
    ("<![CDATA[@x]]>", "@x"),
    ("<!-- none -->a &lt; b", "a < b"),
];

#[test]
fn expressions_become_cel() {
    let properties: String = EXPRESSIONS
        .iter()
        .enumerate()
        .map(|(n, (code, _))| {
            format!("<message-property name=\"p{n}\">{code}</message-property>\n")
        })
        .collect();
    let set = "<set-variable name=\"who\" value=\"@(context.Request.Headers[\"X-Who\"][0])\" />";
    let message = send(&format!("<message-properties>{properties}</message-properties>"));
    let (config, left) = imported(&format!("{set}{message}"), &NAMESPACE);
    assert_eq!(left, [""; 0]);
    let made = &config["routes"][0]["send"]["properties"];
    for (n, (code, expected)) in EXPRESSIONS.iter().enumerate() {
        assert_eq!(made[format!("p{n}")], **expected, "{code}");
    }
}

#[test]
fn what_differs_a_little_is_told_once() {
    let property = |name: &str, code: &str| {
        format!("<message-property name='{name}'>@({code})</message-property>\n")
    };
    let body = "context.Request.Body.As<JObject>()";
    let inside = property("a", &format!("(string){body}[\"n\"]"))
        + &property("b", &format!("{body}[\"n\"].ToString()"))
        + &property("c", &format!("string.IsNullOrWhiteSpace((string){body}[\"s\"])"));
    let policy = send(&format!("<message-properties>{inside}</message-properties>"));
    let (config, left) = imported(&policy, &NAMESPACE);
    assert_eq!(
        config["routes"][0]["send"]["properties"],
        json!({
            "a": "${request.json.n}",
            "b": "${request.json.n}",
            "c": "${!(has(request.json.s) && request.json.s != null) || request.json.s == ''}"
        })
    );
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[0].contains("keeps its type"), "{left:?}");
    assert!(left[1].contains("IsNullOrWhiteSpace became IsNullOrEmpty"), "{left:?}");
}

#[test]
fn one_expression_that_cannot_be_read_is_no_reason_to_lose_the_others() {
    let broken = [
        r#"@(context.Request.Headers["a")"#,
        r#"@("no end)"#,
        r##"@(a # b ? "x" : ")")"##,
        r#"@(f((context.RequestId))"#,
        r#"@{ return "\q" + (1; }"#,
        "@{ return 1;",
    ];
    for code in broken {
        let inside = format!(
            "<message-properties><message-property name='a'>{code}</message-property>\n\
             <message-property name='b'>@(context.RequestId)</message-property>\
             </message-properties>"
        );
        let set = format!("<set-variable name=\"v\" value=\"{code}\" />");
        let other = format!("<set-variable value=\"{code}\" name=\"w\"></set-variable>");
        let (config, left) = imported(&format!("{set}{other}{}", send(&inside)), &NAMESPACE);
        let made = &config["routes"][0]["send"]["properties"];
        assert_eq!(*made, json!({"b": "${tracking_id}"}), "{code}");
        assert_eq!(left.len(), 1, "{code}: {left:?}");
        assert!(left[0].contains("left out: message-property: "), "{code}: {left:?}");
    }
}

/// Payloads, and what they become.
const PAYLOADS: &[(&str, &str)] = &[
    (
        r#"@{ return new { a = context.RequestId, b = new { c = 1.50, d = true } }; }"#,
        r#"{"a": "${tracking_id}", "b": {"c": 1.50, "d": true}}"#,
    ),
    (
        r#"@(JsonConvert.SerializeObject(new { context.Request.Method }))"#,
        r#"{"Method": "${request.method}"}"#,
    ),
    (
        r#"@(new JObject(new JProperty("a", context.Request.Body.As<JObject>()["n"]),
                      new JProperty("l", new JArray("x", 1))).ToString())"#,
        r#"{"a": "${request.json.n}", "l": ["x", 1]}"#,
    ),
    (
        r#"@{ return new JObject { ["a"] = context.Request.Body.As<JToken>() }.ToString(); }"#,
        r#"{"a": "${request.json}"}"#,
    ),
    (
        r#"@("{\"id\":\"" + context.RequestId + "\",\"n\":" + context.Request.Body.As<JObject>()["n"] + "}")"#,
        r#"{"id": "${tracking_id}", "n": "${request.json.n}"}"#,
    ),
    (
        r#"@($"{{\"n\":\"{context.Request.Body.As<JObject>()["n"]}\",\"s\":\"a {context.RequestId}\"}}")"#,
        r#"{"n": "${string(request.json.n)}", "s": "a ${tracking_id}"}"#,
    ),
    (r#"{"a": "it"}"#, r#"{"a": "it"}"#),
    ("plain", r#""plain""#),
    ("@(context.Request.Body.As<JObject>().ToString())", r#""${request.json}""#),
];

#[test]
fn payloads_become_trees() {
    for (code, expected) in PAYLOADS {
        let (config, left) = imported(&send(&format!("<payload>{code}</payload>")), &NAMESPACE);
        assert_eq!(left, [""; 0], "{code}");
        let expected: Json = serde_json::from_str(expected).unwrap();
        assert_eq!(config["routes"][0]["send"]["payload"], expected, "{code}");
    }
}

#[test]
fn programs_get_json() {
    let ended = import(&format!("{}\n<cors />", send("")), &["--json", "--namespace=a.b"]);
    let told: Json = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, ended.stderr.as_str()), (1, ""));
    assert_eq!(told["configuration"]["namespace"], "a.b");
    let why = "Envoy's cors does this, before the filter";
    let left = json!([{"file": "<stdin>", "line": 2, "column": 1, "what": "cors", "why": why}]);
    assert_eq!(told["left_out"], left);
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
fn the_page_about_api_management_says_what_is_done() {
    let mut rows = 0;
    for line in include_str!("../../../../envoy/api-management.md").lines() {
        let [_, theirs, ours, _] = line.split('|').collect::<Vec<_>>()[..] else { continue };
        let code = |cell: &str| cell.split('`').nth(1).map(str::to_owned);
        let (Some(theirs), Some(ours)) = (code(theirs), code(ours)) else { continue };
        let root = ["context.", "Guid.", "DateTime."].iter().any(|root| theirs.starts_with(root));
        if !root || !ours.starts_with("${") || theirs.ends_with("Query") {
            continue;
        }
        let theirs = theirs.replace("[\"id\"]", "[\"order-id\"]");
        let property = format!("<message-property name='a'>@({theirs})</message-property>");
        let inside = format!("<message-properties>{property}</message-properties>");
        let (config, left) = imported(&send(&inside), &NAMESPACE);
        let made = config["routes"][0]["send"]["properties"]["a"].clone();
        assert_eq!(made, ours.replace("path.id", "path.order_id"), "{theirs}");
        assert_eq!(left, [""; 0], "{theirs}");
        rows += 1;
    }
    assert!(rows >= 7, "{rows}");
}
