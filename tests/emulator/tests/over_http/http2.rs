//! HTTP/2, where it is asked for.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::client::{HOST, connect};
use crate::emulator::{Emulator, token};

async fn client(emulator: &Emulator) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(("127.0.0.1", emulator.port)).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(method: &str, path: &str) -> http::Request<Full<Bytes>> {
    http::Request::builder()
        .method(method)
        .uri(format!("http://{HOST}{path}"))
        .header("authorization", token())
        .header("priority", "5")
        .body(Full::from("hello"))
        .unwrap()
}

#[tokio::test]
async fn a_message_is_sent_and_received_over_http2() {
    let emulator = Emulator::start_with(&["--allow-http2"]);
    let mut client = client(&emulator).await;
    let sent = client.send_request(request("POST", "/events/messages")).await.unwrap();
    assert_eq!(sent.status(), 201);
    assert_eq!(sent.headers()["server"], "Microsoft-HTTPAPI/2.0");
    let refused = client.send_request(request("POST", "/nothing/messages")).await.unwrap();
    assert_eq!(refused.status(), 404);
    let text = refused.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"<Error><Code>404</Code><Detail>40400: "), "{text:?}");
    // HTTP/1.1 is spoken still.
    let received = emulator.receive("events");
    assert_eq!((received.text(), received.header("priority")), ("hello", Some("5")));
}

#[tokio::test]
async fn a_reset_ends_the_connection_of_all_streams() {
    let emulator = Emulator::start_with(&["--allow-http2"]);
    emulator.arm(r#"{"fault":{"reset":"after_storing"},"count":1}"#);
    let mut client = client(&emulator).await;
    let error = client.send_request(request("POST", "/events/messages")).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("reset") || cause.contains("broken pipe"), "{cause}");
    assert_eq!(emulator.stored("events"), 1);
}

#[test]
fn it_is_refused_where_it_is_not_asked_for() {
    let emulator = Emulator::start();
    let mut stream = connect(emulator.port);
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let answer = crate::client::exchange(&mut stream, preface).unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(answer.detail(), "The request is no valid HTTP: invalid HTTP version.");
}
