//! The service that one would write behind Envoy's router, the leanest that anyone would: it signs
//! a token and keeps it, gives an id, and answers 202 after the broker's 201. One thread.
//!
//! ```text
//! bench-service LISTEN UPSTREAM
//! ```

mod token;

use std::cell::RefCell;
use std::error::Error;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::serve::ListenerExt as _;
use reqwest::Client;
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use token::Token;

const ENTITY: &str = "https://sbemulatorns.servicebus.windows.net/raw";
const HOST: &str = "sbemulatorns.servicebus.windows.net";

#[derive(Clone)]
struct Broker {
    client: Client,
    url: String,
}

thread_local! {
    static TOKEN: RefCell<Token> =
        const { RefCell::new(Token::new(ENTITY, "send-only", "c2VjcmV0LWtleQ==")) };
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (arguments.next(), arguments.next()) else {
        return Err("expected two addresses: LISTEN UPSTREAM".into());
    };
    let client = Client::builder().pool_max_idle_per_host(1024).build()?;
    let broker = Broker { client, url: format!("http://{upstream}/raw/messages") };
    let service = Router::new().route("/orders", post(accept)).with_state(broker);
    // A connection without it is slower, not wrong.
    let listener = TcpListener::bind(listen).await?.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, service).await?;
    Ok(())
}

async fn accept(State(broker): State<Broker>, headers: HeaderMap, body: Bytes) -> Response {
    let id = match headers.get("idempotency-key").map(HeaderValue::to_str) {
        None => Uuid::new_v4().to_string(),
        Some(Ok(key)) if (1..=128).contains(&key.len()) => key.to_owned(),
        Some(_) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let Ok(token) = TOKEN.with_borrow_mut(Token::current) else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let content_type = headers.get(header::CONTENT_TYPE).cloned();
    let mut request = broker
        .client
        .post(&broker.url)
        .header(header::HOST, HOST)
        .header(header::AUTHORIZATION, token)
        .header("brokerproperties", json!({"MessageId": id}).to_string())
        .body(body);
    if let Some(content_type) = content_type {
        request = request.header(header::CONTENT_TYPE, content_type);
    }
    match request.send().await {
        Ok(response) if response.status() == StatusCode::CREATED => {
            let reply = json!({"status": "accepted", "trackingId": id}).to_string();
            let headers = [
                (header::CONTENT_TYPE.as_str(), "application/json"),
                ("x-tracking-id", id.as_str()),
            ];
            (StatusCode::ACCEPTED, headers, reply).into_response()
        }
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
