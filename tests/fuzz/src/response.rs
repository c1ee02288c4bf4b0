//! What the broker, or something in between, answers.

use arbitrary::{Arbitrary, Unstructured};
use envoy_service_bus::http::Answer;
use envoy_service_bus::outcome::Outcome;

#[derive(Debug, Arbitrary)]
struct Response {
    status: Option<u16>,
    status_text: Vec<u8>,
    from_upstream: bool,
    retry_after: Option<Vec<u8>>,
    date: Option<Vec<u8>>,
    body: Vec<u8>,
}

/// Nothing is accepted but an upstream's 201; a wait that a client is told is neither 0 nor endless.
pub fn run(bytes: &[u8]) {
    let Ok(response) = Response::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let status = match response.status {
        Some(status) => status.to_string().into_bytes(),
        None => response.status_text.clone(),
    };
    let mut headers: Vec<(&str, &[u8])> = vec![(":status", &status)];
    headers.extend(response.retry_after.as_deref().map(|value| ("retry-after", value)));
    headers.extend(response.date.as_deref().map(|value| ("date", value)));
    if response.from_upstream {
        headers.push(("x-envoy-upstream-service-time", b"1"));
    }
    let headers = headers.into_iter().collect();
    let answer = Answer { headers, body: response.body };
    match answer.outcome() {
        Outcome::Accepted => assert!(status == b"201" && response.from_upstream, "{status:?}"),
        Outcome::Failed(failure) => {
            assert!(failure.cause.len() < 4096, "{} bytes of cause", failure.cause.len());
            assert!(!failure.cause.contains(['\n', '\r', '\0']), "{:?}", failure.cause);
        }
        other => panic!("{other:?}"),
    }
}
