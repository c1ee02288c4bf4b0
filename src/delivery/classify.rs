//! What the end of a callout means for its message.
//!
//! Envoy reports its own failures as responses. Those of an upstream carry
//! `x-envoy-upstream-service-time`; those that Envoy makes up do not.

use std::time::Duration;

use super::breaker::Signal;
use super::broker_error::{BrokerError, detail};
use crate::http::{Found, Response, retry_after};
use crate::outcome::{Failure, Outcome, Reason};

/// Longest text of a broker that goes to the log, in characters.
const LOGGED_CHARS: usize = 400;

/// How an Envoy begins to tell that it was not connected, or no longer.
const CONNECT_ERROR: &str = "upstream connect error";

/// What the end of a callout means for its messages, and for those after them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Classification {
    pub(super) outcome: Outcome,
    /// Whether Service Bus is there and at work, whatever it says to this message.
    pub(super) signal: Signal,
    /// Whether the same may succeed later.
    pub(super) again: bool,
    /// How long the broker asks to wait before.
    pub(super) retry_after: Option<Duration>,
}

impl Response {
    pub(super) fn classify(&self) -> Classification {
        let outcome = self.outcome();
        let from_broker = self.headers.first("x-envoy-upstream-service-time").is_some();
        let status = self.status().filter(|_| from_broker);
        let Outcome::Failed(failure) = &outcome else {
            return Classification {
                outcome,
                signal: Signal::Success,
                again: false,
                retry_after: None,
            };
        };
        let signal = match failure.reason {
            // Envoy's own limits have kept it here.
            Reason::Overloaded => Signal::None,
            // A message that the broker refuses with a 500 says nothing against the broker.
            Reason::MessageRejected | Reason::Throttled => Signal::Success,
            _ if status.is_some_and(|status| status < 500) => Signal::Success,
            _ => Signal::Failure,
        };
        let again = match failure.reason {
            Reason::BrokerUnreachable
            | Reason::OutcomeUnknown
            | Reason::Overloaded
            | Reason::Throttled => true,
            Reason::BrokerError => status.is_some_and(|status| status >= 500),
            _ => false,
        };
        let throttled = failure.reason == Reason::Throttled;
        let header = retry_after::retry_after(&self.headers).filter(|_| throttled);
        let retry_after = header.or_else(|| wait_in(&self.detail()).filter(|_| from_broker));
        Classification { outcome, signal, again, retry_after }
    }

    /// The broker's clock, by its `date`.
    pub(super) fn date(&self) -> Option<Duration> {
        retry_after::answered_at(&self.headers)
    }

    /// Accepted if Service Bus, and not Envoy, answered 201; a failure otherwise.
    pub fn outcome(&self) -> Outcome {
        let Some(status) = self.status() else {
            return failed(Reason::OutcomeUnknown, "the response broke off".to_owned());
        };
        if self.headers.first("x-envoy-upstream-service-time").is_none() {
            return self.envoys_own(status);
        }
        if status == 201 {
            return Outcome::Accepted;
        }
        // A second Envoy on the way, for egress perhaps, reports its failures as ours does.
        if status == 503 && self.text().starts_with(CONNECT_ERROR) {
            return self.envoys_own(status);
        }
        let detail = self.detail();
        let error = BrokerError::read(status, &self.body);
        let reason = error.reason();
        let mut failure = Failure::new(reason, format!("broker answered {status}: {detail}"));
        if reason == Reason::Throttled {
            let wait = retry_after::retry_after(&self.headers).or_else(|| wait_in(&detail));
            failure.retry_after = wait.map(retry_after::for_client);
        }
        failure.broker_tracking_id = error.tracking_id;
        Outcome::Failed(failure)
    }

    /// Found if the upstream, and not Envoy, answered 200.
    pub fn found(self) -> Outcome {
        let from_upstream = self.headers.first("x-envoy-upstream-service-time").is_some();
        match self.status() {
            Some(200) if from_upstream => {
                Outcome::Found(Found { status: 200, headers: self.headers, body: self.body })
            }
            Some(404) if from_upstream => failed(Reason::NotFound, "answered 404".to_owned()),
            Some(status) => {
                let by = if from_upstream { "the upstream" } else { "Envoy" };
                let cause = format!("{by} answered {status}: {}", self.text());
                failed(Reason::LookupUnavailable, cause)
            }
            None => failed(Reason::LookupUnavailable, "the response broke off".to_owned()),
        }
    }

    /// A failure before there was a connection is the one case in which nothing was sent. Envoy tells
    /// it from a reset after the request only in its text, whose wording is its own to change, so
    /// whatever is not recognised counts as unknown: the safe side.
    fn envoys_own(&self, status: u16) -> Outcome {
        let text = self.text();
        let unsent = if status == 503 { unsent(&text) } else { None };
        let reason = unsent.unwrap_or(Reason::OutcomeUnknown);
        failed(reason, format!("Envoy answered {status}: {text}"))
    }

    /// What an error of Service Bus says, for the log.
    fn detail(&self) -> String {
        one_line(detail(&String::from_utf8_lossy(&self.body)))
    }

    /// The body, for the log.
    fn text(&self) -> String {
        one_line(&String::from_utf8_lossy(&self.body))
    }
}

/// A text as one line, without control characters, cut to a length.
fn one_line(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.take(LOGGED_CHARS).collect::<String>().trim().to_owned()
}

/// The seconds that a throttling namespace asks to wait: "Please wait 2 seconds and try again."
fn wait_in(detail: &str) -> Option<Duration> {
    let (_, rest) = detail.split_once("Please wait ")?;
    let (seconds, _) = rest.split_once(" second")?;
    seconds.parse().ok().map(|seconds| Duration::from_secs(seconds).min(retry_after::LONGEST))
}

/// Envoy's words for the resets that come before a connection: `Http::Utility::resetReasonToString`.
/// After a try of a cluster's own `retry_policy` it says "retried and the latest reset reason", and
/// nothing of the tries before, which may have been sent.
fn unsent(text: &str) -> Option<Reason> {
    const REASONS: [(&str, Reason); 4] = [
        ("remote connection failure", Reason::BrokerUnreachable),
        ("local connection failure", Reason::BrokerUnreachable),
        ("connection timeout", Reason::BrokerUnreachable),
        // The limits of the cluster, found out after a wait for a connection.
        ("overflow", Reason::Overloaded),
    ];
    let said = text
        .strip_prefix(CONNECT_ERROR)?
        .strip_prefix(" or disconnect/reset before headers. reset reason: ")?;
    REASONS.iter().find(|(words, _)| said.starts_with(words)).map(|(_, reason)| *reason)
}

fn failed(reason: Reason, cause: String) -> Outcome {
    Outcome::Failed(Failure::new(reason, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: &str, upstream: bool, body: &str) -> Response {
        let mut headers = vec![(":status", status)];
        if upstream {
            headers.push(("x-envoy-upstream-service-time", "3"));
        }
        Response { headers: headers.into_iter().collect(), body: body.as_bytes().to_vec() }
    }

    fn reason_of(answer: &Response) -> Reason {
        match answer.outcome() {
            Outcome::Failed(failure) => failure.reason,
            _ => panic!("no failure"),
        }
    }

    #[test]
    fn only_a_brokers_201_is_accepted() {
        for status in 100..=999 {
            for upstream in [true, false] {
                let accepted = answer(&status.to_string(), upstream, "").outcome();
                let expected = status == 201 && upstream;
                assert_eq!(accepted == Outcome::Accepted, expected, "{status} {upstream}");
            }
        }
        for status in ["", "201 ", "+201x", "0201x", "twenty"] {
            assert_eq!(reason_of(&answer(status, true, "")), Reason::OutcomeUnknown, "{status}");
        }
        assert_eq!(reason_of(&Response::default()), Reason::OutcomeUnknown);
    }

    #[test]
    fn statuses_of_the_broker_have_their_reasons() {
        let cases = [
            (400, Reason::MessageRejected),
            (401, Reason::BrokerUnauthorized),
            (403, Reason::BrokerForbidden),
            (404, Reason::EntityNotFound),
            (408, Reason::OutcomeUnknown),
            (410, Reason::EntityNotFound),
            (411, Reason::MessageRejected),
            (413, Reason::PayloadTooLarge),
            (429, Reason::Throttled),
            (431, Reason::MessageRejected),
            (500, Reason::BrokerError),
            (502, Reason::BrokerError),
            (503, Reason::Throttled),
            (504, Reason::BrokerError),
            (200, Reason::BrokerError),
            (202, Reason::BrokerError),
            (204, Reason::BrokerError),
            (307, Reason::BrokerError),
        ];
        for (status, reason) in cases {
            let body =
                format!("<Error><Code>{status}</Code><Detail>TrackingId:1_G1</Detail></Error>");
            let answer = answer(&status.to_string(), true, &body);
            assert_eq!(reason_of(&answer), reason, "{status}");
            let well = status < 500 || reason == Reason::Throttled;
            let signal = if well { Signal::Success } else { Signal::Failure };
            assert_eq!(answer.classify().signal, signal, "{status}");
        }
    }

    #[test]
    fn a_message_that_is_refused_with_a_500_says_nothing_against_the_broker() {
        let body = "<Error><Detail>The SessionId was not set on a message</Detail></Error>";
        let found = answer("500", true, body).classify();
        assert!(found.signal == Signal::Success && !found.again);
    }

    #[test]
    fn envoys_failures_are_unknown_unless_nothing_was_sent() {
        let start = "upstream connect error or disconnect/reset before headers. ";
        let refused = "reset reason: remote connection failure, transport failure reason: \
                       delayed connect error: Connection refused";
        let cases = [
            ("503", format!("{start}{refused}"), Reason::BrokerUnreachable),
            // Another try came before, and may have been sent.
            ("503", format!("{start}retried and the latest {refused}"), Reason::OutcomeUnknown),
            ("503", format!("{start}reset reason: connection timeout"), Reason::BrokerUnreachable),
            ("503", format!("{start}reset reason: overflow"), Reason::Overloaded),
            ("503", format!("{start}reset reason: connection termination"), Reason::OutcomeUnknown),
            ("503", "some other words".to_owned(), Reason::OutcomeUnknown),
            ("504", "upstream request timeout".to_owned(), Reason::OutcomeUnknown),
            ("504", format!("{start}{refused}"), Reason::OutcomeUnknown),
        ];
        for (status, text, reason) in cases {
            assert_eq!(reason_of(&answer(status, false, &text)), reason, "{status} {text}");
        }
    }

    #[test]
    fn a_second_envoy_in_between_is_no_broker() {
        let start = "upstream connect error or disconnect/reset before headers. ";
        let cases = [
            ("connection termination", Reason::OutcomeUnknown, Signal::Failure),
            ("remote connection failure", Reason::BrokerUnreachable, Signal::Failure),
            ("overflow", Reason::Overloaded, Signal::None),
        ];
        for (reset, reason, signal) in cases {
            let answer = answer("503", true, &format!("{start}reset reason: {reset}"));
            assert_eq!(reason_of(&answer), reason, "{reset}");
            assert!(answer.classify().again && answer.classify().signal == signal);
        }
    }

    #[test]
    fn the_brokers_retry_after_is_passed_on_when_it_throttles() {
        let retry_after = |status, value| {
            let headers = [
                (":status", status),
                ("x-envoy-upstream-service-time", "1"),
                ("retry-after", value),
            ];
            let answer = Response { headers: headers.into_iter().collect(), body: vec![] };
            match answer.outcome() {
                Outcome::Failed(failure) => failure.retry_after,
                _ => panic!("no failure"),
            }
        };
        assert_eq!(retry_after("429", "7"), Some(7));
        assert_eq!(retry_after("429", "999999999"), Some(86_400));
        assert_eq!(retry_after("429", "0"), Some(1));
        assert_eq!(retry_after("429", "1.5"), Some(2));
        assert_eq!(retry_after("429", "-1"), None);
        assert_eq!(retry_after("500", "7"), None);
    }

    #[test]
    fn what_the_broker_says_is_logged_as_one_short_line() {
        let body = format!("<Error><Detail>a\r\nb\u{1b}[31m{}</Detail>", "x".repeat(5_000));
        let Outcome::Failed(failure) = answer("400", true, &body).outcome() else {
            panic!("accepted")
        };
        assert!(!failure.cause.chars().any(char::is_control));
        assert!(failure.cause.chars().count() < 450);
    }
}
