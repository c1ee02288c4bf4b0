//! The book: what became of each request.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::{Serialize, Serializer};

use crate::contract;
use crate::plan::Key;

/// One request's line.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The request's number.
    pub n: u64,
    /// The key that it carried.
    pub key: Key,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether all of it left.
    pub sent: bool,
    /// Time from the first byte sent to the end, in microseconds.
    pub micros: u64,
    /// The reason in its problem+json.
    pub reason: Option<Cow<'static, str>>,
    /// In what the answer broke the contract.
    pub wrong: Option<Box<str>>,
    /// How the connection was lost.
    pub detail: Option<Box<str>>,
}

/// How a request ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The client went away on purpose.
    Aborted,
    /// An answer with this status.
    Answered(u16),
    /// There was no connection, or it ended before the answer.
    ConnectionLost,
    /// No answer within the client's time.
    Timeout,
}

/// What an outcome says about the message in the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// It may be there.
    Maybe,
    /// It is not there.
    NotStored,
    /// It is there.
    Stored,
}

impl Entry {
    /// What the client may rely on.
    pub fn promise(&self) -> Promise {
        match self.outcome {
            Outcome::Answered(202) => Promise::Stored,
            Outcome::Answered(status) => {
                let reason = self.reason.as_deref().and_then(contract::reason);
                let refused = reason.map_or(matches!(status, 400..500), |it| !it.may_be_stored);
                if refused { Promise::NotStored } else { Promise::Maybe }
            }
            // A request that has not left whole must not become a message.
            Outcome::Aborted | Outcome::ConnectionLost | Outcome::Timeout if !self.sent => {
                Promise::NotStored
            }
            Outcome::Aborted | Outcome::ConnectionLost | Outcome::Timeout => Promise::Maybe,
        }
    }

    /// The outcome in words.
    pub fn label(&self) -> String {
        let cut_short = if self.sent { "" } else { " before it was sent whole" };
        match (self.outcome, &self.reason) {
            (Outcome::Answered(status), Some(reason)) => format!("{status} {reason}"),
            (Outcome::Answered(status), None) => status.to_string(),
            (Outcome::Aborted, _) => format!("aborted{cut_short}"),
            (Outcome::ConnectionLost, _) => format!("connection lost{cut_short}"),
            (Outcome::Timeout, _) => format!("timeout{cut_short}"),
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Aborted => serializer.serialize_str("aborted"),
            Self::Answered(status) => serializer.serialize_u16(*status),
            Self::ConnectionLost => serializer.serialize_str("connection_lost"),
            Self::Timeout => serializer.serialize_str("timeout"),
        }
    }
}

/// Writes the book, one JSON object a line.
///
/// # Errors
///
/// What the writer returns.
pub fn write(entries: &[Entry], to: impl Write) -> io::Result<()> {
    let mut to = io::BufWriter::new(to);
    for entry in entries {
        let line = Line {
            n: entry.n,
            key: entry.key.to_string(),
            outcome: entry.outcome,
            sent: entry.sent,
            us: entry.micros,
            reason: entry.reason.as_deref(),
            wrong: entry.wrong.as_deref(),
            detail: entry.detail.as_deref(),
        };
        serde_json::to_writer(&mut to, &line)?;
        to.write_all(b"\n")?;
    }
    to.flush()
}

#[derive(Serialize)]
struct Line<'a> {
    n: u64,
    key: String,
    outcome: Outcome,
    sent: bool,
    us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrong: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(outcome: Outcome, sent: bool, reason: Option<&'static str>) -> Entry {
        Entry {
            n: 8,
            key: Key { seed: 1, n: 7 },
            outcome,
            sent,
            micros: 350,
            reason: reason.map(Cow::Borrowed),
            wrong: None,
            detail: None,
        }
    }

    #[test]
    fn a_line_says_what_became_of_a_request() {
        let refused = entry(Outcome::Answered(503), true, Some("throttled"));
        let lost = Entry {
            wrong: Some("answer stopped after 3 bytes".into()),
            detail: Some("closed by the peer".into()),
            ..entry(Outcome::ConnectionLost, false, None)
        };
        let mut book = Vec::new();
        write(&[refused, lost], &mut book).unwrap();
        assert_eq!(
            String::from_utf8(book).unwrap(),
            concat!(
                r#"{"n":8,"key":"1-7","outcome":503,"sent":true,"us":350,"reason":"throttled"}"#,
                "\n",
                r#"{"n":8,"key":"1-7","outcome":"connection_lost","sent":false,"us":350,"#,
                r#""wrong":"answer stopped after 3 bytes","detail":"closed by the peer"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn each_outcome_promises_what_the_contract_says() {
        let promise =
            |status, reason| entry(Outcome::Answered(status), true, Some(reason)).promise();
        assert_eq!(entry(Outcome::Answered(202), true, None).promise(), Promise::Stored);
        assert_eq!(promise(503, "outcome_unknown"), Promise::Maybe);
        assert_eq!(promise(503, "broker_error"), Promise::Maybe);
        assert_eq!(promise(503, "never_heard_of"), Promise::Maybe);
        for reason in [
            "broker_forbidden",
            "broker_unauthorized",
            "broker_unreachable",
            "circuit_open",
            "credentials_unavailable",
            "entity_not_found",
            "message_rejected",
            "misconfigured",
            "overloaded",
            "quota_exceeded",
            "throttled",
        ] {
            assert_eq!(promise(503, reason), Promise::NotStored, "{reason}");
        }
        assert_eq!(promise(400, "invalid_message"), Promise::NotStored);
        assert_eq!(promise(413, "payload_too_large"), Promise::NotStored);
        assert_eq!(entry(Outcome::Answered(413), true, None).promise(), Promise::NotStored);
        assert_eq!(entry(Outcome::Answered(503), true, None).promise(), Promise::Maybe);
        for outcome in [Outcome::Aborted, Outcome::ConnectionLost, Outcome::Timeout] {
            assert_eq!(entry(outcome, true, None).promise(), Promise::Maybe);
            assert_eq!(entry(outcome, false, None).promise(), Promise::NotStored);
        }
    }
}
