//! What cannot be turned is listed with its line.

use crate::{Given, imported, send};

/// What is left out of a policy that sends something, with its line.
fn left_out(policy: &str) -> Vec<String> {
    imported(policy, &Given::default()).1
}

/// A message, then something else, then an answer.
fn beside(element: &str) -> Vec<String> {
    let message = "<send-service-bus-message queue-name='orders'></send-service-bus-message>";
    left_out(&format!("{message}\n  {element}\n<return-response />"))
}

#[test]
fn what_is_left_out_is_told_with_its_line() {
    for (element, what) in [
        ("<validate-jwt />", "2:3: validate-jwt: Envoy's jwt_authn does this, before the filter"),
        (
            "<rate-limit-by-key calls='1'><!-- a --></rate-limit-by-key>",
            "2:3: rate-limit-by-key: Envoy's local_ratelimit or ratelimit does this, before the filter",
        ),
        ("<cors />", "2:3: cors: Envoy's cors does this, before the filter"),
        (
            "<retry condition='@(true)' count='3'><trace /></retry>",
            "2:3: retry: the retry_policy of Envoy's route does this",
        ),
        (
            "<set-status code='404' />",
            "2:3: set-status: has no effect that is understood where it stands",
        ),
        ("<new-policy />", "2:3: new-policy: is no element of the policy reference"),
        (
            "<return-response><set-status code='404' /></return-response>",
            "2:38: set-status code: the reply to an accepted message has a status from 200 to 299; \
             what is told of a failure stands in reply.failures",
        ),
        (
            "<send-service-bus-message queue-name='others' />",
            "2:3: send-service-bus-message: a route sends one message; the first stays",
        ),
    ] {
        let left = beside(element);
        assert_eq!(left.first().map(String::as_str), Some(what), "{left:?}");
    }
    // What goes nowhere needs no word.
    for element in ["<set-body>a</set-body>", "<rewrite-uri template='/b' />", "<base />"] {
        assert_eq!(beside(element), [""; 0], "{element}");
    }
    assert_eq!(
        beside("<return-response />\n<cors />"),
        [
            "3:1: cors: is not reached: return-response stands before it",
            "4:1: return-response: is not reached: return-response stands before it"
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
        ("@(context.User.Id)", "2:30: message-property: `User` has no counterpart here"),
        (
            "@(\"a\" +\n  DateTime.UtcNow.AddMinutes(5))",
            "2:28: message-property: a time after now can stand in ScheduledEnqueueTimeUtc alone",
        ),
        ("@(Math.Max(1, 2))", "2:30: message-property: `Math` has no counterpart here"),
        (
            "@{ for (;;) { return 1; } return 2; }",
            "2:36: message-property: `;` is not understood here",
        ),
        (
            "@(context.Request.MatchedParameters[\"none\"])",
            "2:30: message-property: --operation has no parameter {none}",
        ),
        (
            "@(context.Variables[\"none\"])",
            "2:30: message-property: the variable \"none\" is not set before",
        ),
        ("@(\"\\q\")", "2:32: message-property: the escape is not understood"),
        ("@(context.Request)", "2:28: message-property: this has no counterpart here"),
    ];
    for (code, expected) in cases {
        assert_eq!(property(code), [expected], "{code}");
    }
    let payload = "<payload>@(new { a = 1,\n  b = context.Api.Name })</payload>";
    assert_eq!(
        left_out(&send(payload)),
        ["2:7: payload: member \"b\": `Api` has no counterpart here"]
    );
    let payload = "<payload>@(new Thing())</payload>";
    assert_eq!(
        left_out(&send(payload)),
        ["1:58: payload: this object has no counterpart here; write send.payload: until then the \
          message holds the request's body"]
    );
}

#[test]
fn what_is_lost_in_a_variable_is_told_where_it_is_read() {
    let variable = "<set-variable name='v' value='@(new { a = 1, b = context.Api.Name })' />\n";
    let policy = format!("{variable}{}", send("<payload>@(context.Variables[\"v\"])</payload>"));
    let (config, left) = imported(&policy, &Given::default());
    assert_eq!(config["routes"][0]["send"]["payload"], serde_json::Value::Null);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].contains("payload: `Api` has no counterpart here"), "{left:?}");
    let condition = "string.IsNullOrWhiteSpace(context.Request.Headers.GetValueOrDefault(\"A\"))";
    let variable = format!("<set-variable name=\"v\" value=\"@({condition})\" />\n");
    let (_, left) = imported(&format!("{variable}{}", send("")), &Given::default());
    assert!(left[0].contains("set-variable: IsNullOrWhiteSpace became"), "{left:?}");
}

#[test]
fn a_target_that_cannot_be_read_is_told() {
    let policy = "<policies><inbound><set-backend-service \
        base-url='https://a.servicebus.windows.net' />\n<rewrite-uri \
        template='@(context.Api.Name + \"/messages\")' /></inbound><backend><base /></backend>\
        </policies>";
    let (config, left) = crate::import(policy, &Given::default());
    assert_eq!(config, None);
    let why = "2:26: rewrite-uri template: `Api` has no counterpart here";
    assert!(left.iter().any(|line| line == why), "{left:?}");
}
