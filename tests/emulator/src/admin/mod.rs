//! The admin API: what tests ask of the emulator, and what they make go wrong. JSON below
//! `/$emulator/`, without a token, for this machine only.

mod entities;
mod faults;
mod requests;
mod trusted;

use http::Method;
use serde_json::json;

use crate::http::{Head, Response};
use crate::refusal::Refusal;
use crate::service::{self, Service};

const PREFIXES: [&str; 2] = ["/$emulator/", "/%24emulator/"];

/// Whether a request is for the admin API.
#[must_use]
pub fn is_target(target: &str) -> bool {
    PREFIXES.iter().any(|prefix| target.starts_with(prefix))
}

/// Answers a request for the admin API.
#[must_use]
pub fn answer(service: &Service, head: &Head, body: &[u8]) -> Response {
    match dispatch(service, head, body) {
        Ok(body) => Response::json(200, body),
        Err(Refusal { status, detail }) => {
            Response::json(status, json!({ "error": detail }).to_string())
        }
    }
}

/// The answer as JSON text.
fn dispatch(service: &Service, head: &Head, body: &[u8]) -> Result<String, Refusal> {
    if !head.peer.address.ip().to_canonical().is_loopback() {
        return Err(Refusal::new(403, "the admin API is for this machine only"));
    }
    let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
    let path = service::segments(path)?;
    let path: Vec<&str> = path.iter().skip(1).map(String::as_str).collect();
    let query = Query(query);
    let answer = match (&head.method, path.as_slice()) {
        (&Method::GET, ["health"]) => json!({ "status": "healthy" }),
        (&Method::POST, ["faults"]) => faults::arm(service, body)?,
        (&Method::GET, ["faults"]) => faults::list(service),
        (&Method::DELETE, ["faults"]) => faults::clear(service),
        (&Method::PUT, ["trusted"]) => trusted::replace(service, body)?,
        (&Method::GET, ["entities"]) => entities::list(service),
        (&Method::GET, ["entities", path @ .., "messages"]) => {
            entities::peek(service, path, query.number("limit")?)?
        }
        (&Method::DELETE, ["entities", path @ .., "messages"]) => entities::clear(service, path)?,
        (&Method::GET, ["stored"]) => return entities::stored(service, &query.text("entity")?),
        (&Method::GET, ["requests"]) => requests::list(service, query.number("limit")?),
        (&Method::DELETE, ["requests"]) => requests::clear(service),
        (method, path) => {
            let path = path.join("/");
            return Err(Refusal::not_found(format!(
                "there is no {method} {path} in the admin API"
            )));
        }
    };
    Ok(answer.to_string())
}

struct Query<'a>(&'a str);

impl Query<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.split('&').find_map(|parameter| parameter.strip_prefix(name)?.strip_prefix('='))
    }

    fn text(&self, name: &str) -> Result<String, Refusal> {
        let missing = || Refusal::bad_request(format!("expected ?{name}="));
        let value = percent_encoding::percent_decode_str(self.get(name).ok_or_else(missing)?);
        value.decode_utf8().map(Into::into).map_err(|_| missing())
    }

    fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let wrong = || Refusal::bad_request(format!("expected ?{name}= with a number"));
        self.get(name).map(|value| value.parse().map_err(|_| wrong())).transpose()
    }
}
