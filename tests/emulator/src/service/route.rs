//! What a request asks for, from its method and path.

use std::time::Duration;

use http::Method;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use crate::broker::SubQueue;
use crate::refusal::Refusal;

/// How long a receiver waits that does not say how long.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// The name of a dead-letter queue below its entity.
const DEAD_LETTER_QUEUE: &str = "$DeadLetterQueue";

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Store one message or a batch.
    Send,
    /// Hand out a message and forget it.
    ReceiveAndDelete,
    /// Hand out a message under a lock.
    PeekLock,
    /// Remove a locked message.
    Complete,
    /// Give a locked message back.
    Abandon,
    /// Extend a lock, on a message or a session.
    RenewLock,
    /// Open a link, over AMQP.
    Attach,
    /// Set a locked message aside, over AMQP.
    Defer,
    /// Move a locked message to the dead-letter queue, over AMQP.
    DeadLetter,
    /// Anything else that `$management` is asked, over AMQP.
    Manage,
}

impl Operation {
    /// Each operation with its name in the admin API.
    pub const NAMES: [(&'static str, Self); 10] = [
        ("send", Self::Send),
        ("receive_and_delete", Self::ReceiveAndDelete),
        ("peek_lock", Self::PeekLock),
        ("complete", Self::Complete),
        ("abandon", Self::Abandon),
        ("renew_lock", Self::RenewLock),
        ("attach", Self::Attach),
        ("defer", Self::Defer),
        ("dead_letter", Self::DeadLetter),
        ("manage", Self::Manage),
    ];
}

/// A request of the data plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What to do.
    pub operation: Operation,
    /// Every segment of the path, decoded.
    pub path: Vec<String>,
    /// The path of the entity, case as sent.
    pub entity: String,
    /// Which of its queues.
    pub part: SubQueue,
    /// The locked message: its sequence number or id, and the token.
    pub lock: Option<(String, Uuid)>,
    /// How long a receiver waits.
    pub timeout: Duration,
}

/// Reads a method and a target.
pub(super) fn parse(method: &Method, target: &str) -> Result<Route, Refusal> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    // Without the query, in which a client may have put its token.
    let nothing_here = || Refusal::not_found(format!("40400: Endpoint not found: '{path}'."));
    let segments = segments(path)?;
    let timeout = timeout(query)?.unwrap_or(DEFAULT_TIMEOUT);

    let is_messages = |segment: &String| segment.eq_ignore_ascii_case("messages");
    let (resource, entity) = match segments.as_slice() {
        [entity @ .., messages] if is_messages(messages) => (Resource::Messages, entity),
        [entity @ .., messages, head]
            if is_messages(messages) && head.eq_ignore_ascii_case("head") =>
        {
            (Resource::Head, entity)
        }
        [entity @ .., messages, name, token] if is_messages(messages) => {
            (Resource::Lock(name, token), entity)
        }
        _ => return Err(nothing_here()),
    };
    let (entity, part) = match entity {
        [entity @ .., last] if last.eq_ignore_ascii_case(DEAD_LETTER_QUEUE) => {
            (entity, SubQueue::DeadLetter)
        }
        entity => (entity, SubQueue::Main),
    };
    if entity.is_empty() {
        return Err(nothing_here());
    }
    let (operation, lock) = match (method, resource) {
        (&Method::POST, Resource::Messages) => (Operation::Send, None),
        (&Method::DELETE, Resource::Head) => (Operation::ReceiveAndDelete, None),
        (&Method::POST, Resource::Head) => (Operation::PeekLock, None),
        (&Method::DELETE, Resource::Lock(name, token)) => {
            (Operation::Complete, Some((name, token)))
        }
        (&Method::PUT, Resource::Lock(name, token)) => (Operation::Abandon, Some((name, token))),
        (&Method::POST, Resource::Lock(name, token)) => (Operation::RenewLock, Some((name, token))),
        _ => {
            return Err(Refusal::new(405, format!("The method {method} is not allowed here.")));
        }
    };
    let lock = match lock {
        None => None,
        Some((name, token)) => {
            let token = Uuid::try_parse(token).map_err(|_| {
                Refusal::bad_request(format!("The lock token '{token}' is no UUID."))
            })?;
            Some((name.clone(), token))
        }
    };
    let entity = entity.join("/");
    Ok(Route { operation, entity, part, lock, timeout, path: segments })
}

enum Resource<'a> {
    Messages,
    Head,
    Lock(&'a String, &'a str),
}

/// The segments of a path, decoded.
pub(crate) fn segments(path: &str) -> Result<Vec<String>, Refusal> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let decode = |segment: &str| {
        let decoded = percent_decode_str(segment).decode_utf8().ok()?;
        (!decoded.is_empty()).then(|| decoded.into_owned())
    };
    path.split('/').map(decode).collect::<Option<_>>().ok_or_else(|| {
        Refusal::bad_request(format!("The path '/{path}' has a segment that is empty or no UTF-8."))
    })
}

/// Only the parameters that official clients send are taken.
fn timeout(query: &str) -> Result<Option<Duration>, Refusal> {
    let (mut timeout, mut version) = (None, None);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let slot = match name {
            "timeout" => &mut timeout,
            "api-version" => &mut version,
            _ => {
                return Err(Refusal::bad_request(format!(
                    "The query parameter '{name}' is not known."
                )));
            }
        };
        if slot.replace(value).is_some() {
            return Err(Refusal::bad_request(format!(
                "The query parameter '{name}' is given twice."
            )));
        }
    }
    let Some(seconds) = timeout else { return Ok(None) };
    let digits = seconds.bytes().all(|byte| byte.is_ascii_digit());
    match seconds.parse::<u32>() {
        Ok(seconds) if digits => Ok(Some(Duration::from_secs(seconds.into()))),
        _ => Err(Refusal::bad_request(format!(
            "The value '{seconds}' of the query parameter 'timeout' is no number of seconds."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

    fn parsed(method: Method, target: &str) -> (Operation, String, SubQueue) {
        let route = parse(&method, target).unwrap();
        (route.operation, route.entity, route.part)
    }

    #[test]
    fn every_operation_has_its_method_and_path() {
        use Operation::{Abandon, Complete, PeekLock, ReceiveAndDelete, RenewLock, Send};
        let lock = format!("/q/messages/1/{TOKEN}");
        for (method, target, operation) in [
            (Method::POST, "/q/messages", Send),
            (Method::POST, "/q/Messages?api-version=2016-07", Send),
            (Method::DELETE, "/q/messages/head?timeout=5", ReceiveAndDelete),
            (Method::POST, "/q/messages/HEAD", PeekLock),
            (Method::DELETE, &lock, Complete),
            (Method::PUT, &lock, Abandon),
            (Method::POST, &lock, RenewLock),
        ] {
            let expected = (operation, "q".to_owned(), SubQueue::Main);
            assert_eq!(parsed(method, target), expected, "{target}");
        }
    }

    #[test]
    fn entities_may_have_several_segments() {
        for (target, entity, part) in [
            ("/Dept%20A/orders/messages/head", "Dept A/orders", SubQueue::Main),
            ("/t/Subscriptions/s/messages/head", "t/Subscriptions/s", SubQueue::Main),
            ("/q/$DeadLetterQueue/messages/head", "q", SubQueue::DeadLetter),
            (
                "/t/subscriptions/s/%24deadletterqueue/messages/head",
                "t/subscriptions/s",
                SubQueue::DeadLetter,
            ),
            ("/messages/messages/head", "messages", SubQueue::Main),
        ] {
            let expected = (Operation::PeekLock, entity.to_owned(), part);
            assert_eq!(parsed(Method::POST, target), expected, "{target}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (method, target, status, detail) in [
            (Method::POST, "/", 400, "The path '/' has a segment that is empty or no UTF-8."),
            (Method::POST, "/q", 404, "40400: Endpoint not found: '/q'."),
            (Method::POST, "/messages?timeout=1", 404, "40400: Endpoint not found: '/messages'."),
            (
                Method::POST,
                "/q//messages",
                400,
                "The path '/q//messages' has a segment that is empty or no UTF-8.",
            ),
            (
                Method::POST,
                "/%ff/messages",
                400,
                "The path '/%ff/messages' has a segment that is empty or no UTF-8.",
            ),
            (Method::GET, "/q/messages", 405, "The method GET is not allowed here."),
            (Method::PUT, "/q/messages/head", 405, "The method PUT is not allowed here."),
            (Method::DELETE, "/q/messages/1/x", 400, "The lock token 'x' is no UUID."),
            (Method::POST, "/q/messages?x=1", 400, "The query parameter 'x' is not known."),
            (
                Method::POST,
                "/q/messages?timeout=1&timeout=2",
                400,
                "The query parameter 'timeout' is given twice.",
            ),
            (
                Method::POST,
                "/q/messages?timeout=+5",
                400,
                "The value '+5' of the query parameter 'timeout' is no number of seconds.",
            ),
            (
                Method::POST,
                "/q/messages?timeout",
                400,
                "The value '' of the query parameter 'timeout' is no number of seconds.",
            ),
        ] {
            assert_eq!(parse(&method, target), Err(Refusal::new(status, detail)), "{target}");
        }
    }
}
