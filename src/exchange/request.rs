//! What is kept of a request until it is answered.

use std::rc::Rc;

use super::Report;
use crate::buffer::Share;
use crate::http::Headers;
use crate::limits;
use crate::message::Entity;
use crate::outcome::{Failure, Outcome, Reason, SendResult, Served};
use crate::template::{Attributes, Random, Scope};
use crate::text::uuid;
use crate::time::Time;

/// Longest `Idempotency-Key`: it becomes the `MessageId`.
const IDEMPOTENCY_KEY_CHARS: usize = limits::ID_CHARS;

/// A request of ours.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) headers: Headers,
    /// Index among the routes.
    pub(super) route: usize,
    pub(super) captures: Vec<(String, String)>,
    pub(super) tracking_id: String,
    /// When it was complete.
    pub(super) now: Option<Time>,
    pub(super) attributes: Attributes,
    /// Where its message goes, once that is known.
    pub(super) entity: Option<Rc<Entity>>,
    /// The id of its message, for access logs.
    pub(super) message_id: Option<String>,
    /// What it takes of its worker's buffer.
    pub(super) share: Option<Share>,
}

/// What a request takes beside its texts, about.
const OVERHEAD: usize = 256;

impl Request {
    /// A request with its id, and what is wrong with its headers.
    pub(super) fn new(
        headers: Headers,
        route: usize,
        captures: Vec<(String, String)>,
        random: Random,
    ) -> (Self, Option<Failure>) {
        let key = idempotency_key(&headers);
        let tracking_id = match key {
            Ok(Some(key)) => Some(key.to_owned()),
            _ => random().map(fresh_id),
        };
        let fault = match (&tracking_id, key) {
            (None, _) => Some(Failure::new(Reason::Misconfigured, "the host gave no random bytes")),
            (_, Err(fault)) => Some(Failure::of_request(Reason::InvalidMessage, fault)),
            _ => None,
        };
        let tracking_id = tracking_id.unwrap_or_else(|| "none".to_owned());
        let request = Self {
            headers,
            route,
            captures,
            tracking_id,
            now: None,
            attributes: Attributes::default(),
            entity: None,
            message_id: None,
            share: None,
        };
        (request, fault)
    }

    /// What is told of its answer.
    pub(super) fn report(&self, outcome: &'static str) -> Report {
        Report {
            route: self.route,
            entity: self.entity.clone(),
            tracking_id: self.tracking_id.clone(),
            since: self.now.map(|now| now.monotonic),
            message_id: self.message_id.clone(),
            outcome,
            failure: None,
            attempts: 0,
            served: Served::Primary,
        }
    }

    /// What is told when delivery is done with it; a failure has its own word.
    pub(super) fn settled(&self, word: &'static str, result: SendResult) -> Report {
        let SendResult { outcome, attempts, served } = result;
        let report = self.report(word);
        match outcome {
            Outcome::Failed(failure) => {
                let outcome = failure.reason.as_str();
                Report { outcome, failure: Some(failure), attempts, served, ..report }
            }
            Outcome::Accepted | Outcome::Found(_) => Report { attempts, served, ..report },
        }
    }

    /// Bytes that are kept of it.
    pub(super) fn size(&self) -> usize {
        let captures = self.captures.iter().map(|(name, text)| name.len() + text.len());
        let message_id = self.message_id.as_ref().map_or(0, String::len);
        OVERHEAD
            + self.headers.size()
            + captures.sum::<usize>()
            + self.tracking_id.len()
            + message_id
            + self.attributes.size()
    }

    pub(super) fn content_length(&self) -> Option<usize> {
        self.headers.first_text("content-length")?.parse().ok()
    }

    /// What expressions see of it, without its body.
    pub(super) fn scope<'a>(&'a self, route: &'a str, random: Random) -> Scope<'a> {
        let mut scope = Scope::new(&self.headers, &self.attributes, random);
        scope.captures = &self.captures;
        scope.tracking_id = &self.tracking_id;
        scope.route = route;
        scope.now = self.now.map(|now| now.wall);
        scope
    }
}

/// The client's `Idempotency-Key`, if it sent one.
fn idempotency_key(headers: &Headers) -> Result<Option<&str>, &'static str> {
    let mut lines = headers.all("idempotency-key");
    let Some(key) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err("Idempotency-Key stands more than once");
    }
    let fits =
        (1..=IDEMPOTENCY_KEY_CHARS).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(key)
        .ok()
        .filter(|_| fits)
        .map(Some)
        .ok_or("Idempotency-Key must be 1 to 128 visible ASCII characters")
}

/// A fresh id. Never Envoy's `x-request-id`: a client may repeat it, and duplicate detection
/// would then drop a message.
fn fresh_id(random: [u8; 16]) -> String {
    uuid(random)
}
