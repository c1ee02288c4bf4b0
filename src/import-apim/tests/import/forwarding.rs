//! The recipe that forwards requests to Service Bus, in the shapes that policies have.

use serde_json::{Value as Json, json};

use crate::{Given, alone, import, imported};

const HEADERS: &str = "Service Bus takes other headers of the client as properties: name in \
                       send.forward_headers those that receivers need";
const IDENTITY: &str =
    "<authentication-managed-identity resource=\"https://servicebus.azure.net\" />";

fn policy(inbound: &str) -> String {
    format!(
        "<policies><inbound><base />{IDENTITY}{inbound}</inbound>\
         <backend><base /></backend><outbound><base /></outbound></policies>"
    )
}

/// The entity and the namespace of a policy's message.
fn destination(policy: &str, given: &Given<'_>) -> (Json, Json) {
    let (config, left) = imported(policy, given);
    assert!(left.iter().all(|line| line.ends_with(HEADERS)), "{left:?}");
    assert_eq!(left.len(), 1);
    (config["routes"][0]["send"]["queue"].clone(), config["namespace"].clone())
}

#[test]
fn the_entity_stands_where_policies_put_it() {
    let host = "contoso.servicebus.windows.net";
    let url = |path: &str| format!("<set-backend-service base-url=\"https://{host}{path}\" />");
    let rewrite = |template: &str| format!("<rewrite-uri template=\"{template}\" />");
    for (inbound, operation, entity) in [
        (url("") + &rewrite("orders/messages"), "POST /a", "orders"),
        (url("/") + &rewrite("/orders/messages"), "POST /a", "orders"),
        (rewrite("/eu/orders/messages?timeout=60") + &url(""), "POST /a", "eu/orders"),
        (url("/orders") + &rewrite("/messages"), "POST /a", "orders"),
        (url("/orders/messages"), "POST /a", "orders"),
        (url("/orders/messages/") + &rewrite("/"), "POST /a", "orders"),
        (url("/orders/messages") + "<set-method>POST</set-method>", "PUT /a", "orders"),
        (url(""), "POST /orders/messages", "orders"),
        (
            url("")
                + "<set-query-parameter name=\"api-version\"><value>2015-01</value>\
             </set-query-parameter>"
                + &rewrite("orders/messages"),
            "POST /a",
            "orders",
        ),
    ] {
        let given = Given { operation: Some(operation), ..alone() };
        let found = destination(&policy(&inbound), &given);
        assert_eq!(found, (json!(entity), json!(host)), "{inbound}");
    }
    let other = "https://contoso.servicebus.chinacloudapi.cn";
    let inbound = format!("<set-backend-service base-url=\"{other}\" />{}", rewrite("a/messages"));
    let found = destination(&policy(&inbound), &alone());
    assert_eq!(found, (json!("a"), json!("contoso.servicebus.chinacloudapi.cn")));
}

#[test]
fn a_backend_of_another_place_needs_its_host() {
    for inbound in [
        "<set-backend-service backend-id=\"bus\" /><rewrite-uri template=\"a/messages\" />",
        "<rewrite-uri template=\"a/messages\" />",
    ] {
        let (entity, namespace) = destination(&policy(inbound), &Given::default());
        assert_eq!((entity, namespace), (json!("a"), json!("contoso.servicebus.windows.net")));
        let (_, left) = imported(&policy(inbound), &alone());
        assert!(left.iter().any(|line| line.contains("give it with --namespace")), "{left:?}");
    }
    let values = "<set-backend-service base-url=\"{{bus}}\" />\
                  <rewrite-uri template=\"{{queue}}/messages\" />";
    let given = Given {
        named_values: &[("bus", "https://fabrikam.servicebus.windows.net"), ("queue", "q-1")],
        ..alone()
    };
    let found = destination(&policy(values), &given);
    assert_eq!(found, (json!("q-1"), json!("fabrikam.servicebus.windows.net")));
    let (config, left) = imported(&policy(values), &alone());
    assert_eq!(config["routes"][0]["send"]["queue"], "queue");
    let asked = left.iter().filter(|line| line.ends_with("give it with --named-value")).count();
    assert_eq!(asked, 2, "{left:?}");
}

#[test]
fn a_parameter_of_the_path_chooses_among_what_is_allowed() {
    let inbound = "<set-backend-service base-url=\"https://a.servicebus.windows.net\" />\
                   <rewrite-uri template=\"/{queue}/messages\" />";
    let given = Given { operation: Some("POST /send/{queue}"), allowed: &["a", "b"], ..alone() };
    let (config, _) = imported(&policy(inbound), &given);
    let send = &config["routes"][0]["send"];
    assert_eq!(send["queue"], "${path.queue}");
    assert_eq!(send["allowed"], json!(["a", "b"]));
}

#[test]
fn a_request_that_only_looks_something_up_first_is_no_route() {
    let inbound = "<send-request mode=\"new\" response-variable-name=\"user\">\
        <set-url>https://users.example/me</set-url><set-method>GET</set-method></send-request>\
        <set-header name=\"user\"><value>@(((IResponse)context.Variables[\"user\"]).Body\
        .As<JObject>()[\"id\"].ToString())</value></set-header>\
        <set-backend-service base-url=\"https://a.servicebus.windows.net\" />\
        <rewrite-uri template=\"orders/messages\" />";
    let (config, left) = imported(&policy(inbound), &alone());
    assert_eq!(config["routes"].as_array().unwrap().len(), 1);
    assert_eq!(config["routes"][0]["send"]["queue"], "orders");
    assert_eq!(config["routes"][0]["lookup"], Json::Null);
    let why = "send-request: a route sends one message, or looks one value up; the message stays";
    assert!(left.iter().any(|line| line.ends_with(why)), "{left:?}");
    assert!(left.iter().any(|line| line.contains("set-header")), "{left:?}");
}

#[test]
fn what_does_not_send_becomes_no_message() {
    let elements = "<set-backend-service base-url=\"https://a.servicebus.windows.net\" />\
                    <rewrite-uri template=\"orders/messages/head\" />";
    let (config, _) = import(&policy(elements), &alone());
    assert_eq!(config, None);
    let elements = elements.replace("/head", "");
    for (operation, method) in [("GET /a", ""), ("POST /a", "<set-method>DELETE</set-method>")] {
        let given = Given { operation: Some(operation), ..alone() };
        let (config, left) = import(&policy(&(elements.clone() + method)), &given);
        assert_eq!(config, None);
        assert!(left.iter().any(|line| line.contains("the filter only sends")), "{left:?}");
    }
    let elsewhere = "<set-backend-service base-url=\"https://api.example\" />\
                     <rewrite-uri template=\"orders/messages\" />";
    assert_eq!(import(&policy(elsewhere), &alone()).0, None);
    let receive = "<send-request mode=\"new\"><set-url>https://a.servicebus.windows.net/q/messages\
                   /head</set-url><set-method>DELETE</set-method></send-request><return-response />";
    let (config, left) = import(receive, &alone());
    assert_eq!(config, None);
    assert!(left[0].contains("the filter only sends"), "{left:?}");
}

#[test]
fn the_clients_own_broker_properties_are_not_believed() {
    let inbound = "<set-header name=\"BrokerProperties\" exists-action=\"skip\">\
                   <value>{\"SessionId\":\"s\"}</value></set-header>\
                   <set-backend-service base-url=\"https://a.servicebus.windows.net\" />\
                   <rewrite-uri template=\"orders/messages\" />";
    let (config, left) = imported(&policy(inbound), &alone());
    assert_eq!(config["routes"][0]["send"]["broker_properties"], json!({"SessionId": "s"}));
    let why = "the policy's own value is taken, whatever the client's header says";
    assert!(left.iter().any(|line| line.ends_with(why)), "{left:?}");
}

#[test]
fn names_that_are_no_broker_properties_are_told() {
    let inbound = "<set-header name=\"BrokerProperties\"><value>@{ var p = new JObject();\
                   p.Add(\"brand\", \"b\"); p.Add(\"Label\", \"l\"); return p.ToString(); }</value>\
                   </set-header>\
                   <set-backend-service base-url=\"https://a.servicebus.windows.net\" />\
                   <rewrite-uri template=\"orders/messages\" />";
    let (config, left) = imported(&policy(inbound), &alone());
    assert_eq!(config["routes"][0]["send"]["broker_properties"], json!({"Label": "l"}));
    assert!(left.iter().any(|line| line.contains("brand is no broker property")), "{left:?}");
}
