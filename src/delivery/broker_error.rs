//! What Service Bus says in an error: an XML body with a code, a detail and a tracking id.

use std::ops::RangeInclusive;

use crate::outcome::Reason;

/// An error as the broker wrote it, or as something else on the way did.
#[derive(Debug)]
pub(super) struct BrokerError {
    status: u16,
    /// In lower case, for comparison.
    detail: String,
    /// The five digits of its sub code.
    code: Option<u32>,
    /// Whether Service Bus wrote it.
    is_marked: bool,
    /// Service Bus's own id of the request, which Microsoft's support asks for.
    pub(super) tracking_id: Option<String>,
}

/// What an error must have for a row of the table to apply.
enum Sign {
    /// Nothing but the status.
    Any,
    /// The status alone, but of an error that Service Bus itself wrote.
    Marked,
    Code(u32),
    /// One of these texts, in lower case.
    Words(&'static [&'static str]),
}

/// The first row that applies counts. Codes and words are Microsoft's documentation's, its SDKs',
/// and those of answers that people have reported; no list of them is published.
const TABLE: &[(RangeInclusive<u16>, Sign, Reason)] = &[
    (400..=599, Sign::Code(50009), Reason::Throttled),
    (401..=401, Sign::Any, Reason::BrokerUnauthorized),
    // A full entity also speaks of sizes, so it comes first.
    (403..=403, Sign::Words(FULL), Reason::QuotaExceeded),
    (403..=403, Sign::Words(TOO_LARGE), Reason::PayloadTooLarge),
    // A disabled entity, a firewall, a missing claim, an invalid operation (40301).
    (403..=403, Sign::Any, Reason::BrokerForbidden),
    (404..=404, Sign::Any, Reason::EntityNotFound),
    // The broker waited for something and gave up.
    (408..=408, Sign::Any, Reason::OutcomeUnknown),
    (410..=410, Sign::Any, Reason::EntityNotFound),
    (413..=413, Sign::Any, Reason::PayloadTooLarge),
    (429..=429, Sign::Any, Reason::Throttled),
    (400..=499, Sign::Any, Reason::MessageRejected),
    // An entity with sessions, and a message without one.
    (500..=500, Sign::Words(&["sessionid was not set"]), Reason::MessageRejected),
    // A 503 of something in between may follow a message that was stored.
    (503..=503, Sign::Marked, Reason::Throttled),
    (500..=599, Sign::Marked, Reason::BrokerError),
    (500..=599, Sign::Any, Reason::OutcomeUnknown),
    (0..=999, Sign::Any, Reason::BrokerError),
];

const FULL: &[&str] = &["entity size", "quotaexceeded", "quota exceeded", "quota has been"];
const TOO_LARGE: &[&str] = &[
    "exceeds the limit",
    "exceeds the maximum message size",
    "exceeded the maximum size limit",
    "too large",
];

impl BrokerError {
    /// Reads the body of an answer with a status.
    pub(super) fn read(status: u16, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let tracking_id = tracking_id(&text);
        let is_marked = text.contains("<Error>") && tracking_id.is_some();
        let detail = detail(&text).to_ascii_lowercase();
        Self { status, code: code(&detail), detail, is_marked, tracking_id }
    }

    /// What it means for a message.
    pub(super) fn reason(&self) -> Reason {
        let row = TABLE
            .iter()
            .find(|(statuses, sign, _)| statuses.contains(&self.status) && self.has(sign));
        row.map_or(Reason::BrokerError, |(_, _, reason)| *reason)
    }

    fn has(&self, sign: &Sign) -> bool {
        match sign {
            Sign::Any => true,
            Sign::Marked => self.is_marked,
            Sign::Code(code) => self.code == Some(*code),
            Sign::Words(words) => words.iter().any(|words| self.detail.contains(words)),
        }
    }
}

/// The `Detail` of an error of Service Bus, or the body as it is.
pub(super) fn detail(text: &str) -> &str {
    let detail = text.split_once("<Detail>").and_then(|(_, rest)| rest.split_once("</Detail>"));
    detail.map_or(text, |(detail, _)| detail).trim()
}

/// The sub code of a detail in lower case: `50009: …`, `Error code: 50009`, `Error code : 50009`,
/// `SubCode=50009`. The same digits elsewhere may be part of a tracking id.
fn code(detail: &str) -> Option<u32> {
    let named = ["subcode", "error code", "errorcode"].into_iter().find_map(|name| {
        let mut places = detail.match_indices(name);
        places.find_map(|(at, name)| {
            let rest = detail.get(at + name.len()..)?.trim_start();
            digits(rest.strip_prefix([':', '='])?.trim_start())
        })
    });
    named.or_else(|| digits(detail))
}

/// Five digits at the start of a text.
fn digits(text: &str) -> Option<u32> {
    let (digits, rest) = text.split_at_checked(5)?;
    let ends = !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
    let all = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| ends && all)
}

fn tracking_id(text: &str) -> Option<String> {
    const MOST: usize = 80;
    let (_, rest) = text.split_once("TrackingId:")?;
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let id: String = rest.chars().take_while(fits).take(MOST).collect();
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, detail: &str) -> BrokerError {
        let body = format!("<Error><Code>{status}</Code><Detail>{detail}</Detail></Error>");
        BrokerError::read(status, body.as_bytes())
    }

    #[test]
    fn the_broker_throttles_in_any_spelling() {
        let spellings = [
            "50009: busy",
            "The entity is being throttled. Error code: 50009. Please wait 2 seconds",
            "The request was terminated. Error code : 50009. Please wait 2 seconds",
            "SubCode=50009. The request was terminated.",
            "subcode: 50009",
            "ErrorCode=50009",
            "Error code: 40000. SubCode=50009",
        ];
        for status in [400, 403, 429, 500, 503] {
            for spelling in spellings {
                let reason = read(status, spelling).reason();
                assert_eq!(reason, Reason::Throttled, "{status} {spelling}");
            }
        }
        for other in ["TrackingId:50009", "a50009", "50009a: x", "500091", "50009-1", "code 50009"]
        {
            assert_ne!(read(500, other).reason(), Reason::Throttled, "{other}");
        }
    }

    #[test]
    fn what_a_403_means_is_in_its_words() {
        let table = [
            (
                "The maximum entity size has been reached or exceeded for Queue: 'orders'. Size of \
              entity in bytes:1073742096, Max entity size in bytes: 1073741824.",
                Reason::QuotaExceeded,
            ),
            ("QuotaExceeded", Reason::QuotaExceeded),
            (
                "The message (size: 262350 bytes) exceeds the limit (262144 bytes).",
                Reason::PayloadTooLarge,
            ),
            (
                "The size of the message has exceeded the maximum size limit",
                Reason::PayloadTooLarge,
            ),
            ("The message is too large", Reason::PayloadTooLarge),
            ("SubCode=40301. Invalid operation", Reason::BrokerForbidden),
            (
                "Messaging entity 'contoso:queue:orders' is currently disabled.",
                Reason::BrokerForbidden,
            ),
            ("Ip has been prevented to connect to the endpoint.", Reason::BrokerForbidden),
            ("", Reason::BrokerForbidden),
        ];
        for (detail, reason) in table {
            assert_eq!(read(403, detail).reason(), reason, "{detail}");
        }
    }

    #[test]
    fn a_session_that_is_missing_is_the_messages_fault() {
        let detail = "The SessionId was not set on a message, and it cannot be sent to the entity.";
        assert_eq!(read(500, detail).reason(), Reason::MessageRejected);
    }

    #[test]
    fn a_5xx_without_the_brokers_mark_is_of_something_in_between() {
        let marked = "<Error><Code>503</Code><Detail>busy. TrackingId:1-2_G1, x</Detail></Error>";
        for status in 500..=599 {
            let reason = |body: &str| BrokerError::read(status, body.as_bytes()).reason();
            let broker = if status == 503 { Reason::Throttled } else { Reason::BrokerError };
            assert_eq!(reason(marked), broker);
            let others = [
                "",
                "upstream request timeout",
                "TrackingId:1-2_G1",
                "<Error><Code>503</Code><Detail>busy</Detail></Error>",
                "<Error><Detail>TrackingId:</Detail></Error>",
            ];
            for other in others {
                assert_eq!(reason(other), Reason::OutcomeUnknown, "{status} {other}");
            }
        }
    }

    #[test]
    fn a_tracking_id_after_a_long_detail_is_found() {
        let error = read(503, &format!("{} TrackingId:1-2_G1, x", "x".repeat(1_500)));
        assert_eq!(error.tracking_id.as_deref(), Some("1-2_G1"));
        assert_eq!(error.reason(), Reason::Throttled);
    }
}
