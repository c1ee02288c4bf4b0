//! One message, one client over HTTP and one over AMQP: what each does the other sees.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use uuid::Uuid;

use super::client::{Client, accepted, message, sas_until, service};
use crate::amqp::codec::Value;
use crate::broker::Timestamp;
use crate::http::{Head, Headers, Outcome, Peer, Response};
use crate::service::Service;

/// What a request over HTTP is answered.
async fn ask(service: &Service, line: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let (method, target) = line.split_once(' ').unwrap();
    // HTTP is asked by the clock of this machine.
    let expiry = Timestamp::now().unix_seconds() + 3600;
    let token = sas_until("all", "key", "sb://localhost/", expiry);
    let mut all = vec![("Authorization", token.as_bytes())];
    all.extend(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
    let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: false, server_name: None };
    let head = Head {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        target: target.to_owned(),
        authority: "localhost".to_owned(),
        headers: Arc::new(Headers::new(all)),
        peer: Arc::new(peer),
    };
    let exchange = service.begin(&head);
    match exchange.finish(Bytes::copy_from_slice(body.as_bytes())).await {
        Outcome::Answer(response) => response,
        other => panic!("{other:?}"),
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let mut named = response.headers.iter().filter(|(other, _)| other == name);
    named.next().map_or("", |(_, value)| value)
}

/// A client over AMQP with the clock of HTTP, which receives from `q` on handle 1.
fn receiver(service: &Arc<Service>) -> Client {
    let mut client = Client::open(service);
    client.now = Timestamp::now();
    let expiry = client.now.unix_seconds() + 3600;
    let token = sas_until("all", "key", "sb://localhost/", expiry);
    assert_eq!(client.put_token("sb://localhost/", &token), 202);
    client.attach(1, "q", true);
    client.hear(0x12);
    client
}

#[tokio::test]
async fn what_http_sends_amqp_receives_and_settles() {
    let service = service();
    let properties = [("BrokerProperties", r#"{"MessageId":"m"}"#), ("vip", "true")];
    assert_eq!(ask(&service, "POST /q/messages", &properties, "hello").await.status, 201);
    let mut client = receiver(&service);
    client.credit(1, 0, 1, false);
    let transfer = client.only(0x14);
    let sections = transfer.message();
    assert_eq!(sections.data, [&b"hello"[..]]);
    let vip = sections.application_properties.unwrap().0;
    assert_eq!(vip.get("vip"), Some(&Value::Boolean(true)));
    let Value::Uint(id) = *transfer.field(1) else { panic!() };

    assert_eq!(ask(&service, "DELETE /q/messages/head?timeout=0", &[], "").await.status, 204);
    let info = Value::symbol_map([("DeadLetterReason", Value::string("unfit"))]);
    let error = Value::described_list(0x1d, vec![Value::symbol("x"), Value::Null, info]);
    client.settle(id, id, Value::described_list(0x25, vec![error]));
    let path = "DELETE /q/$DeadLetterQueue/messages/head?timeout=0";
    let dead = ask(&service, path, &[], "").await;
    assert_eq!((dead.status, &*dead.body), (200, &b"hello"[..]));
    assert_eq!(header(&dead, "DeadLetterReason"), "\"unfit\"");
    assert_eq!(header(&dead, "vip"), "true");
}

#[tokio::test]
async fn what_amqp_sends_http_receives_and_settles() {
    let service = service();
    let mut client = receiver(&service);
    client.attach(0, "q", false);
    client.transfer(0, 0, &message("hello", None));
    let locked = ask(&service, "POST /q/messages/head?timeout=0", &[], "").await;
    assert_eq!((locked.status, &*locked.body), (201, &b"hello"[..]));
    client.credit(1, 0, 1, false);
    assert_eq!(client.hear(0x14).len(), 0);
    let path = header(&locked, "Location").strip_prefix("http://localhost").unwrap().to_owned();
    assert_eq!(ask(&service, &format!("PUT {path}"), &[], "").await.status, 200);
    let again = client.only(0x14);
    let Some(Value::List(fields)) = again.message().header else { panic!() };
    assert_eq!(fields[4], Value::Uint(1), "the delivery over HTTP counts");
}

#[tokio::test]
async fn a_lock_of_amqp_is_settled_over_http_and_is_lost_then() {
    let service = service();
    let mut client = receiver(&service);
    client.attach(0, "q", false);
    client.transfer(0, 0, &message("hello", None));
    client.credit(1, 0, 1, false);
    client.hear(0x15);
    let transfer = client.only(0x14);
    let Value::Binary(tag) = transfer.field(2) else { panic!() };
    let token = Uuid::from_bytes_le((&**tag).try_into().unwrap());
    let path = format!("/q/messages/1/{token}");
    assert_eq!(ask(&service, &format!("POST {path}"), &[], "").await.status, 200);
    assert_eq!(ask(&service, &format!("DELETE {path}"), &[], "").await.status, 200);
    let Value::Uint(id) = *transfer.field(1) else { panic!() };
    client.settle(id, id, accepted());
    let disposition = client.only(0x15);
    assert_eq!(disposition.field(4).described().map(|(code, _)| code), Some(0x25));
}
