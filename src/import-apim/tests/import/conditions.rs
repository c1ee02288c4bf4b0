//! `choose`, before a message and after it.

use serde_json::{Value as Json, json};

use crate::{Given, import, imported};

fn message(queue: &str, body: &str) -> String {
    format!(
        "<send-service-bus-message queue-name='{queue}'><payload>{body}</payload>\
         </send-service-bus-message>"
    )
}

fn when(condition: &str, inside: &str) -> String {
    format!("<when condition=\"@({condition})\">{inside}</when>")
}

fn header(name: &str, value: &str) -> String {
    format!("context.Request.Headers.GetValueOrDefault(\"{name}\", \"\") == \"{value}\"")
}

/// The routes of a policy that ends with an answer, and what is left out.
fn routes(policy: &str) -> (Vec<Json>, Vec<String>) {
    let (config, left) = imported(&format!("{policy}<return-response />"), &Given::default());
    (config["routes"].as_array().unwrap().clone(), left)
}

/// Queue and conditions of each route.
fn table(routes: &[Json]) -> Vec<(&str, Json)> {
    let row = |route: &'_ Json| -> Json { route["match"]["headers"].clone() };
    routes.iter().map(|it| (it["send"]["queue"].as_str().unwrap(), row(it))).collect()
}

#[test]
fn conditions_on_headers_become_routes_in_their_order() {
    let eu = header("X-Region", "eu");
    let vip = header("X-Vip", "yes");
    let policy = format!(
        "<choose>{}{}<otherwise>{}</otherwise></choose>",
        when(&format!("{eu} && {vip}"), &message("a", "1")),
        when(&eu, &message("b", "2")),
        message("c", "3"),
    );
    let (found, left) = routes(&policy);
    assert_eq!(left, [""; 0]);
    assert_eq!(
        table(&found),
        [
            ("a", json!({"x-region": "eu", "x-vip": "yes"})),
            ("b", json!({"x-region": "eu"})),
            ("c", Json::Null),
        ]
    );
    // One after the other: each outcome of the first meets each of the second.
    let policy = format!(
        "<choose>{}<otherwise><set-variable name='q' value='c' /></otherwise></choose>\
         <choose>{}</choose>{}",
        when(&eu, "<set-variable name='q' value='a' /><trace source='t' />"),
        when(&vip, "<set-variable name='q' value='b' /><trace source='t' />"),
        message("@((string)context.Variables[&quot;q&quot;])", "1"),
    );
    let (found, left) = routes(&policy);
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(
        table(&found),
        [
            ("b", json!({"x-region": "eu", "x-vip": "yes"})),
            ("a", json!({"x-region": "eu"})),
            ("b", json!({"x-vip": "yes"})),
            ("c", Json::Null),
        ]
    );
}

#[test]
fn a_header_that_may_be_missing_is_no_match_for_its_default() {
    let condition = "context.Request.Headers.GetValueOrDefault(\"X-A\", \"on\") == \"on\"";
    let policy = format!(
        "<choose>{}<otherwise>{}</otherwise></choose>",
        when(condition, &message("a", "1")),
        message("b", "1")
    );
    let (found, left) = routes(&policy);
    assert_eq!(left, [""; 0]);
    assert_eq!(found.len(), 1);
    let code =
        "${(('x-a' in request.headers ? request.headers['x-a'] : 'on') == 'on') ? 'a' : 'b'}";
    assert_eq!(found[0]["send"]["queue"], code);
    assert_eq!(found[0]["send"]["allowed"], json!(["a", "b"]));
}

#[test]
fn conditions_on_the_body_choose_values() {
    let body = "(int)context.Request.Body.As<JObject>(true)[\"n\"] > 3";
    let policy = format!(
        "<choose>{}<otherwise>{}</otherwise></choose>",
        when(body, &message("a", "@(new JObject(new JProperty(\"big\", true)))")),
        message("b", "@(new JObject(new JProperty(\"big\", false)))")
    );
    let (found, left) = routes(&policy);
    assert_eq!(left, [""; 0]);
    assert_eq!(found[0]["send"]["queue"], "${(request.json.n > 3) ? 'a' : 'b'}");
    assert_eq!(
        found[0]["send"]["payload"],
        json!({"big": "${(request.json.n > 3) ? true : false}"})
    );
}

#[test]
fn the_method_of_the_operation_is_known() {
    let policy = format!(
        "<choose>{}{}<otherwise>{}</otherwise></choose>",
        when("context.Request.Method == \"PUT\"", &message("a", "1")),
        when("context.Request.Method == \"POST\"", &message("b", "1")),
        message("c", "1")
    );
    let (found, left) = routes(&policy);
    assert_eq!(table(&found), [("b", Json::Null)]);
    let never = left.iter().filter(|line| line.ends_with("its condition never holds here"));
    assert_eq!(never.count(), 2, "{left:?}");
}

#[test]
fn an_answer_before_the_message_is_told() {
    let refuse = "<return-response><set-status code='401' /></return-response>";
    let missing = "!context.Request.Headers.ContainsKey(\"X-Key\")";
    let policy = format!("<choose>\n{}</choose>{}", when(missing, refuse), message("a", "1"));
    let (found, left) = routes(&policy);
    assert_eq!(table(&found), [("a", Json::Null)]);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].starts_with("2:68: return-response: answers some requests before"), "{left:?}");
    // Where the route of the others comes first, they go on instead.
    let policy = format!(
        "<choose>{}<otherwise>{refuse}</otherwise></choose>",
        when(&header("X-Key", "k"), &message("a", "1"))
    );
    let (found, left) = routes(&policy);
    assert_eq!(table(&found), [("a", json!({"x-key": "k"}))]);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].contains("return-response: answers some requests without"), "{left:?}");
}

#[test]
fn conditions_that_cannot_be_read_are_told() {
    let policy = format!(
        "<choose>\n{}</choose>{}",
        when("context.Subscription.Name == \"gold\"", &message("a", "1")),
        message("b", "1")
    );
    let (found, left) = routes(&policy);
    assert_eq!(table(&found), [("b", Json::Null)]);
    assert_eq!(left, ["2:20: choose: `Subscription` has no counterpart here"]);
}

#[test]
fn the_branch_of_success_is_kept() {
    let request = "<send-request mode='new' response-variable-name='sent'>\
        <set-url>https://a.servicebus.windows.net/q/messages</set-url>\
        <set-method>POST</set-method><authentication-managed-identity resource='a' />\
        <set-body>a</set-body></send-request>";
    let reply = |code: u16, body: &str| {
        format!(
            "<return-response><set-status code='{code}' /><set-body>{body}</set-body>\
             </return-response>"
        )
    };
    let status = "((IResponse)context.Variables[\"sent\"]).StatusCode";
    for (condition, first) in [
        (format!("{status} == 201"), true),
        (format!("201 == {status}"), true),
        (format!("{status} >= 200 && {status} < 300"), true),
        ("context.Variables[\"sent\"] != null".to_owned(), true),
        (format!("{status} != 201"), false),
        (format!("{status} >= 400"), false),
        (format!("context.Variables[\"sent\"] == null || {status} > 299"), false),
    ] {
        let (yes, no) = (reply(202, "yes"), reply(502, "no"));
        let (one, other) = if first { (yes, no) } else { (no, yes) };
        let policy = format!(
            "{request}<choose>{}<otherwise>{other}</otherwise></choose>",
            when(&condition, &one)
        );
        let (config, left) = imported(&policy, &Given::default());
        let expected = json!({
            "status": 202, "headers": {"content-type": "text/plain"}, "body": "yes"
        });
        assert_eq!(config["routes"][0]["reply"], expected, "{condition}");
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left.iter().all(|line| line.contains("reply.failures")), "{left:?}");
    }
}

#[test]
fn there_is_an_end_to_what_conditions_may_part() {
    let mut policy = String::new();
    for number in 0..30 {
        let inside = format!("<set-header name='a{number}'><value>1</value></set-header>");
        policy += &format!("<choose>{}</choose>", when(&header("x", &number.to_string()), &inside));
    }
    let (config, left) =
        import(&(policy + &message("a", "1") + "<return-response />"), &Given::default());
    assert!(config.is_some());
    assert!(left.iter().any(|line| line.contains("too many conditions")), "{left:?}");
}
