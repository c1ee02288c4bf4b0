//! Answers, with the headers that Azure's front end gives them.

use std::io::Write as _;

use bytes::Bytes;

use crate::broker::Timestamp;
use crate::refusal::Refusal;

/// The type of the data plane's own answers.
const XML: &str = "application/xml; charset=utf-8";

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers besides `Date`, `Server` and the framing.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Sent in chunks, as Azure does, and not with its length.
    pub chunked: bool,
}

impl Response {
    /// An answer of the data plane without a body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), XML.to_owned())],
            body: Bytes::new(),
            chunked: status != 204,
        }
    }

    /// A JSON answer of the admin API.
    #[must_use]
    pub fn json(status: u16, mut body: String) -> Self {
        body.push('\n');
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            body: body.into(),
            chunked: false,
        }
    }

    /// An error of the data plane. `system` is what the client talked to, `{host}:{entity}`.
    #[must_use]
    pub fn error(refusal: &Refusal, system: &str, now: Timestamp) -> Self {
        let Refusal { status, detail } = refusal;
        let tracking = uuid::Uuid::new_v4();
        let body = format!(
            "<Error><Code>{status}</Code><Detail>{} TrackingId:{tracking}_G0, \
             SystemTracker:{}, Timestamp:{}</Detail></Error>",
            escape(detail),
            escape(system),
            now.to_iso8601()
        );
        Self { body: body.into(), ..Self::empty(*status) }
    }

    /// Writes the answer as HTTP/1.1.
    pub(super) fn write_http1(&self, out: &mut Vec<u8>, keep_alive: bool, now: Timestamp) {
        self.write_head(out, keep_alive, now);
        if self.chunked {
            if !self.body.is_empty() {
                let _ = write!(out, "{:x}\r\n", self.body.len());
                out.extend_from_slice(&self.body);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"0\r\n\r\n");
        } else {
            out.extend_from_slice(&self.body);
        }
    }

    /// The status line and the headers only. Writing to a Vec cannot fail.
    pub(super) fn write_head(&self, out: &mut Vec<u8>, keep_alive: bool, now: Timestamp) {
        let reason = http::StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Unknown");
        let _ = write!(out, "HTTP/1.1 {} {reason}\r\n", self.status);
        if self.chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        } else {
            let _ = write!(out, "Content-Length: {}\r\n", self.body.len());
        }
        for (name, value) in &self.headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        for (name, value) in standard_headers(now) {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        if !keep_alive {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// What every answer carries.
pub(super) fn standard_headers(now: Timestamp) -> [(&'static str, String); 3] {
    [
        ("Server", "Microsoft-HTTPAPI/2.0".to_owned()),
        ("Strict-Transport-Security", "max-age=31536000".to_owned()),
        ("Date", now.to_rfc1123()),
    ]
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // Not allowed in XML, not even escaped.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
