//! The recipe of `send-request` and `return-response`, and what cannot be turned.

use serde_json::json;

use crate::import_apim::{import, imported, send};
use crate::program::{Ended, run};

/// A request to Service Bus with a header for its credentials.
fn request(authorization: &str, more: &str) -> String {
    format!(
        "<send-request mode=\"new\" timeout=\"30\" response-variable-name=\"sb\">
<set-url>@($\"https://contoso.servicebus.windows.net/orders/messages?timeout=60\")</set-url>
<set-method>POST</set-method>
{authorization}
{more}
</send-request>"
    )
}

const IDENTITY: &str = "<authentication-managed-identity resource=\"https://a/\" />";

#[test]
fn the_recipe_becomes_a_route_with_its_reply() {
    let policy = format!(
        "<policies><backend>{}</backend><outbound><base />
<return-response>
<set-status code=\"202\" reason=\"Accepted\" />
<set-header name=\"Location\" exists-action=\"override\">
<value>@{{ var id = context.Variables[\"id\"]; return $\"/orders/{{id}}/status\"; }}</value>
</set-header>
<set-header name=\"Retry-After\"><value>30</value></set-header>
<set-body>@{{ return new {{ status = \"processing\", id = context.Variables[\"id\"] }}; }}</set-body>
</return-response></outbound></policies>",
        request(
            IDENTITY,
            "<set-header name=\"Content-Type\">application/json</set-header>
<set-header name=\"BrokerProperties\"><value>@(\"{\\\"TimeToLive\\\":60,\\\"SessionId\\\":\\\"\" +
  context.Request.Headers[\"X-Session\"][0] + \"\\\"}\")</value></set-header>
<set-header name=\"Priority\"><value>5</value></set-header>
<set-header name=\"Source\"><value>\"web\"</value></set-header>
<set-header name=\"Who\"><value>@(\"\\\"\" + context.RequestId + \"\\\"\")</value></set-header>
<set-header name=\"Odd\"><value>@(\"\\\"\" + context.RequestId + \"-\" + context.Request.Method)</value></set-header>
<set-body>@{ var id = Guid.NewGuid().ToString(); context.Variables[\"id\"] = id;
  return new { id = id, data = context.Request.Body.As<JsonElement>() }; }</set-body>"
        )
    );
    let (config, left) = imported(&policy, &[]);
    assert_eq!(left, [""; 0]);
    assert_eq!(config["namespace"], "contoso.servicebus.windows.net");
    assert_eq!(config["delivery"], json!({"timeout": "30s"}));
    assert_eq!(
        config["routes"][0]["send"],
        json!({
            "queue": "orders",
            "content_type": "application/json",
            "broker_properties": {
                "TimeToLive": "60s",
                "SessionId": "${request.headers['x-session']}"
            },
            "properties": {
                "priority": 5,
                "source": "web",
                "who": "${tracking_id}",
                "odd": "\"${tracking_id}-${request.method}"
            },
            "payload": {"id": "${tracking_id}", "data": "${request.json}"}
        })
    );
    assert_eq!(
        config["routes"][0]["reply"],
        json!({
            "status": 202,
            "body": {"status": "processing", "id": "${tracking_id}"},
            "headers": {"location": "/orders/${tracking_id}/status", "retry-after": "30"}
        })
    );
}

#[test]
fn credentials_made_by_hand_become_credentials() {
    let identity = json!({"managed_identity": {"cluster": "imds", "source": "imds"}});
    let string = json!({"connection_string": {"env": "SB_CONNECTION_STRING"}});
    let block = |text: &str| {
        format!(
            "<set-header name=\"Authorization\"><value>@{{ using var a = new HttpClient();
              var key = \"SharedAccessKey={{{{key}}}}\"; return $\"{text} {{key}}\"; \
             }}</value></set-header>"
        )
    };
    for (authorization, credentials) in [
        (IDENTITY.to_owned(), &identity),
        (block("Bearer"), &identity),
        (block("SharedAccessSignature sr=a"), &string),
    ] {
        let (config, left) = imported(&request(&authorization, ""), &[]);
        assert_eq!(left, [""; 0], "{authorization}");
        assert_eq!(config["credentials"], *credentials, "{authorization}");
    }
    let (config, left) = imported(&request("", ""), &[]);
    assert_eq!(config["credentials"], identity);
    let why = "1:1: left out: send-request: shows no credentials that are understood";
    assert_eq!(left, [why]);
}

#[test]
fn a_request_to_a_store_becomes_a_lookup() {
    let policy = "<send-request timeout='5' response-variable-name='found'>
<set-url>@{ var id = context.Request.MatchedParameters[\"order-id\"];
  return $\"https://store.example.com/status/{id}\"; }</set-url>
<set-method>GET</set-method></send-request>
<return-response><set-body>@{
  var found = ((IResponse)context.Variables[\"found\"]).Body.As<JsonElement>();
  return new { status = found.GetProperty(\"status\"),
    done = found.TryGetProperty(\"done\", out var done) ? done : null };
}</set-body></return-response>";
    let (config, left) = imported(policy, &[]);
    assert_eq!(left, [""; 0]);
    assert_eq!(
        config["routes"][0],
        json!({
            "name": "lookup",
            "match": {"methods": ["POST"], "path_template": "/orders/{order_id}"},
            "lookup": {
                "cluster": "store.example.com",
                "authority": "store.example.com",
                "path": "/status/${path.order_id}",
                "timeout": "5s"
            },
            "reply": {"body": {
                "status": "${lookup.json.status}",
                "done": "${(has(lookup.json.done)) ? lookup.json.done : null}"
            }}
        })
    );
}

#[test]
fn the_page_about_api_management_shows_what_is_printed() {
    let policy = "src/command/tests/command/policies/guarded.xml";
    let ended = run(&["import-apim", "--operation", "POST /orders", policy]);
    assert_eq!(ended.code, 1);
    let page = include_str!("../../../../envoy/api-management.md");
    let shown = format!("--operation 'POST /orders' {policy} > plugin.json\n{}```\n", ended.stderr);
    assert!(page.contains(&shown), "{shown}");
}

/// What is left out of a policy that sends something, with its line.
fn left_out(policy: &str) -> Vec<String> {
    imported(policy, &["--namespace", "contoso.servicebus.windows.net"]).1
}

#[test]
fn what_is_left_out_is_told_with_its_line() {
    let message = send("");
    let cases = [
        ("validate-jwt", "Envoy's jwt_authn does this, before the filter"),
        ("rate-limit-by-key", "Envoy's local_ratelimit or ratelimit does this, before the filter"),
        ("cors", "Envoy's cors does this, before the filter"),
        (
            "choose",
            "conditions are not turned: `match` tells requests apart, and expressions have `? :`",
        ),
        ("retry", "the filter retries as delivery.retries says"),
        ("set-body", "changes a request that goes nowhere"),
        ("log-to-eventhub", "has no counterpart here"),
    ];
    for (name, why) in cases {
        let left = left_out(&format!("{message}\n  <{name} condition=\"@(1 > 0)\" />"));
        assert_eq!(left, [format!("2:3: left out: {name}: {why}")]);
    }
    assert_eq!(
        left_out(&format!("{message}\n{message}\n<return-response/><return-response/>")),
        [
            "2:1: left out: send-service-bus-message: a route sends one message; the first stays",
            "3:19: left out: return-response: a route has one reply"
        ]
    );
    let error = format!("{message}<on-error><base /></on-error>");
    assert_eq!(left_out(&error), [""; 0]);
    let status = format!("{message}\n<return-response><set-status code='404'/></return-response>");
    assert_eq!(
        left_out(&status),
        [
            "2:18: left out: set-status: the reply to an accepted message has a status from 200 to 299"
        ]
    );
}

#[test]
fn what_an_expression_cannot_be_is_told_where_it_stands() {
    let property = |code: &str| {
        let inside = format!("\n<message-property name='a'>{code}</message-property>");
        left_out(&send(&format!("<message-properties>{inside}</message-properties>")))
    };
    let cases = [
        ("@(context.User.Id)", "2:30: left out: message-property: `User` has no counterpart here"),
        (
            "@(\"a\" +\n  DateTime.UtcNow.AddMinutes(5))",
            "3:3: left out: message-property: `AddMinutes` has no counterpart here",
        ),
        ("@(Math.Max(1, 2))", "2:30: left out: message-property: `Math` has no counterpart here"),
        (
            "@{ if (true) { return 1; } return 2; }",
            "2:31: left out: message-property: `if` is not understood here",
        ),
        (
            "@(context.Request.MatchedParameters[\"none\"])",
            "2:30: left out: message-property: --operation has no parameter {none}",
        ),
        (
            "@(context.Variables[\"none\"])",
            "2:30: left out: message-property: the variable \"none\" is not set before",
        ),
        ("@(\"\\q\")", "2:32: left out: message-property: the escape is not understood"),
        ("@(context.Request)", "2:28: left out: message-property: this has no counterpart here"),
    ];
    for (code, expected) in cases {
        assert_eq!(property(code), [expected], "{code}");
    }
    let payload = "<payload>@(new { a = 1,\n  b = context.Api.Name })</payload>";
    assert_eq!(
        left_out(&send(payload)),
        ["2:7: left out: payload: member \"b\": `Api` has no counterpart here"]
    );
    let payload = "<payload>@(new Thing())</payload>";
    assert_eq!(
        left_out(&send(payload)),
        [
            "1:47: left out: payload: the message holds the body of the request instead",
            "1:58: left out: payload: this object has no counterpart here"
        ]
    );
}

#[test]
fn what_the_filter_would_refuse_is_left_out() {
    let property = "<message-properties><message-property name=''>a</message-property>\
                    <message-property name='b'>c</message-property></message-properties>";
    let namespace = ["--namespace", "contoso.servicebus.windows.net"];
    let (config, left) = imported(&send(property), &namespace);
    assert_eq!(config["routes"][0]["send"]["properties"], json!({"b": "c"}));
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].starts_with("1:1: left out: routes[0].send.properties[\"\"]: "), "{left:?}");
}

#[test]
fn names_that_the_policy_does_not_tell_are_asked_for() {
    let policy = "<send-service-bus-message queue-name=\"@(context.Request.Method)\">
<message-properties><message-property name='a'>{{some-name}}</message-property></message-properties>
</send-service-bus-message>";
    let (config, left) = imported(policy, &[]);
    assert_eq!(
        left,
        [
            "1:1: left out: namespace: the policy names no namespace: give it with --namespace",
            "1:39: left out: queue: an expression chooses where messages go: name what it may \
             yield with --allowed",
            "2:48: left out: {{some-name}}: a named value: give it with --named-value"
        ]
    );
    assert_eq!(config["routes"][0]["send"]["properties"]["a"], "some-name");
    let more = [
        "--namespace=b.servicebus.windows.net",
        "--allowed=orders",
        "--allowed=others",
        "--named-value=some-name=the value",
    ];
    let (config, left) = imported(policy, &more);
    assert_eq!(left, [""; 0]);
    assert_eq!(
        config["routes"][0]["send"],
        json!({
            "queue": "${request.method}",
            "allowed": ["orders", "others"],
            "properties": {"a": "the value"}
        })
    );
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
