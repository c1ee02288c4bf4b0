//! Expressions, and payloads made of them.

use serde_json::{Value as Json, json};

use crate::{Given, imported, send};

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
    let (config, left) = imported(&format!("{set}{message}"), &Given::default());
    assert_eq!(left, [""; 0]);
    let value = &config["routes"][0]["send"]["properties"];
    for (n, (code, expected)) in EXPRESSIONS.iter().enumerate() {
        assert_eq!(value[format!("p{n}")], **expected, "{code}");
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
    let (config, left) = imported(&policy, &Given::default());
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
        let (config, left) = imported(&format!("{set}{other}{}", send(&inside)), &Given::default());
        let value = &config["routes"][0]["send"]["properties"];
        assert_eq!(*value, json!({"b": "${tracking_id}"}), "{code}");
        // An expression without end may reach into the next element.
        let (last, others) = left.split_last().unwrap();
        assert!(last.contains("message-property: "), "{code}: {left:?}");
        let reason = |one: &String| one.ends_with("set-variable name: stands here a second time");
        assert!(others.iter().all(reason), "{code}: {left:?}");
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
        let (config, left) =
            imported(&send(&format!("<payload>{code}</payload>")), &Given::default());
        assert_eq!(left, [""; 0], "{code}");
        let expected: Json = serde_json::from_str(expected).unwrap();
        assert_eq!(config["routes"][0]["send"]["payload"], expected, "{code}");
    }
}
