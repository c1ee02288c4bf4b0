//! Messages of `send-service-bus-message` and of `send-request`, and what is asked of other services.

use serde_json::json;

use crate::{Given, alone, imported, send};

const NONE: [&str; 0] = [];

#[test]
fn the_shortest_policy_sends_the_body_as_it_is() {
    let policy = "<policies><inbound><base/>\n\
        <send-service-bus-message topic-name='eu/orders' client-id='7f'\n  \
        namespace='contoso.servicebus.windows.net'>\n  <message-properties>\n    \
        <message-property name='Source'>web</message-property>\n  </message-properties>\n  \
        <payload>@(context.Request.Body.As<string>(preserveContent: true))</payload>\n\
        </send-service-bus-message>\n<return-response />\n</inbound></policies>";
    let (config, left) = imported(policy, &alone());
    assert_eq!(left, NONE);
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
                "send": {"topic": "eu/orders", "properties": {"Source": "web"}},
                "reply": {"status": 200, "body": ""}
            }]
        })
    );
}

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
    let (config, left) = imported(&policy, &alone());
    assert_eq!(left, NONE);
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
        let (config, left) =
            imported(&format!("{}<return-response />", request(&authorization, "")), &alone());
        assert_eq!(left, NONE, "{authorization}");
        assert_eq!(config["credentials"], *credentials, "{authorization}");
    }
    let (config, left) = imported(&format!("{}<return-response />", request("", "")), &alone());
    assert_eq!(config["credentials"], identity);
    let why =
        "1:1: send-request: shows no credentials that are understood: a managed identity is taken";
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
    let (config, left) = imported(policy, &alone());
    assert_eq!(left, NONE);
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
            "reply": {"status": 200, "body": {
                "status": "${lookup.json.status}",
                "done": "${(has(lookup.json.done)) ? lookup.json.done : null}"
            }}
        })
    );
}

#[test]
fn names_that_the_policy_does_not_tell_are_asked_for() {
    let policy = "<send-service-bus-message queue-name=\"@(context.Request.Method)\">
<message-properties><message-property name='a'>{{some-name}}</message-property></message-properties>
</send-service-bus-message><return-response />";
    let (config, left) = imported(policy, &alone());
    assert_eq!(
        left,
        [
            "1:1: namespace: the policy names no namespace: give it with --namespace",
            "1:39: queue: an expression chooses where messages go: name what it may \
             yield with --allowed",
            "2:48: {{some-name}}: a named value: give it with --named-value"
        ]
    );
    assert_eq!(config["routes"][0]["send"]["properties"]["a"], "some-name");
    let given = Given {
        allowed: &["orders", "others"],
        named_values: &[("some-name", "the value")],
        ..Given::default()
    };
    let (config, left) = imported(policy, &given);
    assert_eq!(left, NONE);
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
fn what_the_filter_would_refuse_is_left_out() {
    let property = "<message-properties><message-property name=''>a</message-property>\
                    <message-property name='b'>c</message-property></message-properties>";
    let (config, left) = imported(&send(property), &Given::default());
    assert_eq!(config["routes"][0]["send"]["properties"], json!({"b": "c"}));
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].starts_with("1:1: routes[0].send.properties[\"\"]: "), "{left:?}");
}
