//! HTTP/2, which Azure is not known to speak: only where it is asked for.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Notify;

use super::connection::{Outcome, Peer, Resettable, Transport};
use super::response::standard_headers;
use super::{Head, Headers, Response};
use crate::broker::Timestamp;
use crate::refusal::Refusal;
use crate::service::Service;

const HEADERS_FIRST: Duration = Duration::from_millis(20);

type ResponseBody = Either<Full<Bytes>, Endless>;

/// Serves one connection until either side ends it.
pub(super) async fn serve<S: Transport>(
    stream: S,
    service: Arc<Service>,
    peer: Peer,
) -> io::Result<()> {
    let (stream, switch) = Resettable::new(stream);
    let reset = Arc::new(Notify::new());
    let peer = Arc::new(peer);
    let answer = {
        let reset = Arc::clone(&reset);
        move |request: http::Request<Incoming>| {
            let (service, reset) = (Arc::clone(&service), Arc::clone(&reset));
            let peer = Arc::clone(&peer);
            async move { Ok::<_, Infallible>(exchange(request, &service, reset, peer).await) }
        }
    };
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    tokio::select! {
        ended = connection => ended.map_err(io::Error::other),
        () = reset.notified() => {
            // The stream is dropped with the connection when this returns.
            switch.store(true, Ordering::Relaxed);
            Ok(())
        }
    }
}

async fn exchange(
    request: http::Request<Incoming>,
    service: &Service,
    reset: Arc<Notify>,
    peer: Arc<Peer>,
) -> http::Response<ResponseBody> {
    let (parts, body) = request.into_parts();
    let fields = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let head = Head {
        method: parts.method,
        target: parts.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        authority: parts.uri.authority().map(ToString::to_string).unwrap_or_default(),
        headers: Arc::new(Headers::new(fields)),
        peer,
    };
    let exchange = service.begin(&head);
    if exchange.resets_before_reading() {
        reset.notify_one();
        return pending().await;
    }
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            let refusal = Refusal::bad_request(format!("The body could not be read: {error}."));
            return render(&exchange.refuse_body(refusal));
        }
    };
    match exchange.finish(body).await {
        Outcome::Answer(response) => render(&response),
        Outcome::Reset => {
            reset.notify_one();
            pending().await
        }
        Outcome::ResetAfterHeaders(response) => {
            tokio::spawn(async move {
                tokio::time::sleep(HEADERS_FIRST).await;
                reset.notify_one();
            });
            render(&response).map(|_| Either::Right(Endless))
        }
        Outcome::Stall => pending().await,
    }
}

fn render(response: &Response) -> http::Response<ResponseBody> {
    let mut rendered = http::Response::new(Either::Left(Full::new(response.body.clone())));
    *rendered.status_mut() =
        http::StatusCode::from_u16(response.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    let standard = standard_headers(Timestamp::now());
    let own = response.headers.iter().map(|(name, value)| (&**name, &**value));
    for (name, value) in own.chain(standard.iter().map(|(name, value)| (*name, &**value))) {
        if let (Ok(name), Ok(value)) =
            (http::HeaderName::from_bytes(name.as_bytes()), http::HeaderValue::from_str(value))
        {
            rendered.headers_mut().append(name, value);
        }
    }
    rendered
}

/// A body that never comes.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}
