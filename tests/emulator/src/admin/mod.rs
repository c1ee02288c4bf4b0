//! The admin API: what tests ask of the emulator, and what they make go wrong. JSON below
//! `/$emulator/`, without a token, for this machine only. At `/$emulator/` itself is a page that
//! shows it.

mod entities;
mod faults;
mod overview;
mod page;
mod requests;
mod trusted;

use http::Method;
use overview::Selection;
use serde_json::json;

use crate::broker::SubQueue;
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
    let refused =
        |Refusal { status, detail }| Response::json(status, json!({ "error": detail }).to_string());
    if let Err(refusal) = admit(head) {
        return refused(refusal);
    }
    if let Some(file) = page_file(head) {
        return file;
    }
    match dispatch(service, head, body) {
        Ok(body) => Response::json(200, body),
        Err(refusal) => refused(refusal),
    }
}

/// Lets in this machine, but no page of another site that a browser here has open.
fn admit(head: &Head) -> Result<(), Refusal> {
    if !head.peer.address.ip().to_canonical().is_loopback() {
        return Err(Refusal::new(403, "the admin API is for this machine only"));
    }
    let says = |name, value: &str| head.headers.all(name).any(|other| other == value.as_bytes());
    let foreign = says("sec-fetch-site", "cross-site") || says("sec-fetch-site", "same-site");
    let link = head.method == Method::GET && says("sec-fetch-mode", "navigate");
    if foreign && !link {
        return Err(Refusal::new(403, "the admin API is not for pages of other sites"));
    }
    Ok(())
}

fn page_file(head: &Head) -> Option<Response> {
    let path = PREFIXES.iter().find_map(|prefix| head.target.strip_prefix(prefix))?;
    if head.method == Method::GET { page::file(path) } else { None }
}

/// The answer as JSON text.
fn dispatch(service: &Service, head: &Head, body: &[u8]) -> Result<String, Refusal> {
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
        (&Method::GET, ["overview"]) => overview::overview(service, query.selection()?.as_ref()),
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

    /// An entity of a namespace, and which of its queues.
    fn selection(&self) -> Result<Option<Selection>, Refusal> {
        if self.get("entity").is_none() {
            return Ok(None);
        }
        let part = match self.get("part").unwrap_or("main") {
            "main" | "sessions" => SubQueue::Main,
            "dead_letter" => SubQueue::DeadLetter,
            _ => return Err(Refusal::bad_request("expected ?part=main, dead_letter or sessions")),
        };
        let (namespace, entity) = (self.text("namespace")?, self.text("entity")?);
        Ok(Some(Selection { namespace, entity, part }))
    }

    fn number(&self, name: &str) -> Result<Option<usize>, Refusal> {
        let wrong = || Refusal::bad_request(format!("expected ?{name}= with a number"));
        self.get(name).map(|value| value.parse().map_err(|_| wrong())).transpose()
    }
}
