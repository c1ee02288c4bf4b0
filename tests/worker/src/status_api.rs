//! The status of orders over HTTP: `GET /order:status:{id}`.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::store::{STATUS_PREFIX, Store};

const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// Serves until `stop` is done.
pub async fn serve(listener: TcpListener, store: Store, stop: impl Future<Output = ()>) {
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let store = store.clone();
                    let service = service_fn(move |request| {
                        let store = store.clone();
                        async move { Ok::<_, Infallible>(answer(&store, &request).await) }
                    });
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEADERS_WITHIN)
                        .serve_connection(TokioIo::new(stream), service);
                    connections.spawn(connection);
                }
                Err(error) => {
                    // Out of descriptors, most likely: the open connections go first.
                    eprintln!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

async fn answer(store: &Store, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let Some(key) = key(request.uri().path()) else {
        return error(StatusCode::NOT_FOUND, "there is nothing here");
    };
    if request.method() != Method::GET {
        let mut refusal = error(StatusCode::METHOD_NOT_ALLOWED, "a status is only read");
        refusal.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET"));
        return refusal;
    }
    match store.status(&key).await {
        Ok(Some(status)) => json_answer(StatusCode::OK, status.into()),
        Ok(None) => error(StatusCode::NOT_FOUND, "no order is known by this id"),
        Err(cause) => {
            eprintln!("cannot read a status: {cause}");
            error(StatusCode::SERVICE_UNAVAILABLE, "the status store is away")
        }
    }
}

/// The key that a path names: that of a status, and no other.
fn key(path: &str) -> Option<String> {
    let key = percent_decode_str(path.strip_prefix('/')?).decode_utf8().ok()?;
    let id = key.strip_prefix(STATUS_PREFIX)?;
    (!id.is_empty()).then(|| key.clone().into_owned())
}

fn error(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    json_answer(status, json!({"error": text}).to_string().into())
}

fn json_answer(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let media_type = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_the_key_of_a_status() {
        assert_eq!(key("/order:status:t-1").as_deref(), Some("order:status:t-1"));
        assert_eq!(key("/order%3Astatus%3A%2e%2F%20%C3%A9").as_deref(), Some("order:status:./ é"));
    }

    #[test]
    fn no_other_key_can_be_read() {
        for path in
            ["/", "/order:status:", "/order:completed", "/a/order:status:b", "/order:status:%ff"]
        {
            assert_eq!(key(path), None, "{path}");
        }
    }
}
