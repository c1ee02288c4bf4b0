//! The head of an HTTP/1.1 request, and how long the body after it is.

use std::sync::Arc;

use http::Method;

use super::{Headers, Peer};
use crate::refusal::Refusal;

/// Largest request line and headers together, as the front end of Azure has it by default.
pub(super) const MAX_HEAD_BYTES: usize = 16 * 1024;

const MAX_HEADERS: usize = 256;

/// A request without its body.
#[derive(Clone, Debug)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// Path and query as sent.
    pub target: String,
    /// The host that the client asked for, with its port if it named one.
    pub authority: String,
    /// The headers as sent.
    pub headers: Arc<Headers>,
    /// Who asks.
    pub peer: Arc<Peer>,
}

/// What stands between a head and the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    pub(super) content_length: usize,
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
}

/// A head that was read.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) head: Head,
    /// How many bytes it took.
    pub(super) length: usize,
    /// What follows, unless the head leaves that in the dark.
    pub(super) framing: Result<Framing, Refusal>,
}

/// Reads a head from the start of `buffer`; `None` if more bytes are needed.
pub(super) fn parse(buffer: &[u8], peer: &Arc<Peer>) -> Result<Option<Parsed>, Refusal> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut slots);
    let length = match request.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buffer.len() <= MAX_HEAD_BYTES => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(too_large(buffer.len())),
        Err(error) => {
            return Err(Refusal::bad_request(format!("The request is no valid HTTP: {error}.")));
        }
    };
    if length > MAX_HEAD_BYTES {
        return Err(too_large(length));
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(Refusal::bad_request("The request is no valid HTTP: no request line."));
    };
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Refusal::bad_request("The request is no valid HTTP: invalid method."))?;
    let headers = Headers::new(request.headers.iter().map(|field| (field.name, field.value)));
    let host = headers.only("host").map(Option::unwrap_or_default);
    let framing = host.clone().and_then(|host| {
        if host.is_empty() {
            return Err(Refusal::bad_request("The HTTP header 'Host' is missing."));
        }
        framing(&method, &headers, request.version == Some(1))
    });
    let head = Head {
        method,
        target: target.to_owned(),
        authority: host.unwrap_or_default().to_owned(),
        headers: Arc::new(headers),
        peer: Arc::clone(peer),
    };
    Ok(Some(Parsed { head, length, framing }))
}

fn too_large(length: usize) -> Refusal {
    Refusal::bad_request(format!(
        "The size of the request headers is too long: {length} bytes exceed the limit of \
         {MAX_HEAD_BYTES}."
    ))
}

fn framing(method: &Method, headers: &Headers, is_http_1_1: bool) -> Result<Framing, Refusal> {
    // Whether Azure takes chunked requests is not known.
    if headers.all("transfer-encoding").next().is_some() {
        return Err(Refusal::new(
            411,
            "Length Required: the body must be sent with Content-Length, not with \
             Transfer-Encoding.",
        ));
    }
    let content_length = match headers.only("content-length")? {
        Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => text
            .parse()
            .map_err(|_| Refusal::bad_request("The HTTP header 'Content-Length' is invalid."))?,
        Some(_) => {
            return Err(Refusal::bad_request("The HTTP header 'Content-Length' is invalid."));
        }
        None if matches!(*method, Method::POST | Method::PUT) => {
            return Err(Refusal::new(
                411,
                "Length Required: the HTTP header 'Content-Length' is missing.",
            ));
        }
        None => 0,
    };
    let connection = headers.only("connection")?.unwrap_or_default();
    let mut options = connection.split(',').map(str::trim);
    let expects = headers.only("expect")?;
    Ok(Framing {
        content_length,
        keep_alive: is_http_1_1 && !options.any(|option| option.eq_ignore_ascii_case("close")),
        expects_continue: expects.is_some_and(|value| value.eq_ignore_ascii_case("100-continue")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<Option<Parsed>, Refusal> {
        let peer = Peer { address: ([127, 0, 0, 1], 1).into(), tls: false, server_name: None };
        super::parse(bytes, &Arc::new(peer))
    }

    fn refused(head: &str) -> (u16, String) {
        let refusal = match parse(head.as_bytes()) {
            Ok(parsed) => parsed.unwrap().framing.unwrap_err(),
            Err(refusal) => refusal,
        };
        (refusal.status, refusal.detail)
    }

    #[test]
    fn a_head_is_read_when_it_is_complete() {
        let bytes = b"POST /q/messages HTTP/1.1\r\nHost: h:1\r\nContent-Length: 3\r\n\r\nabc";
        for end in 0..bytes.len() - 3 {
            assert!(parse(&bytes[..end]).unwrap().is_none(), "{end}");
        }
        let Parsed { head, length, framing } = parse(bytes).unwrap().unwrap();
        let framing = framing.unwrap();
        assert_eq!((&*head.target, &*head.authority), ("/q/messages", "h:1"));
        assert_eq!((framing.content_length, framing.keep_alive), (3, true));
        assert_eq!(&bytes[length..], b"abc");
    }

    #[test]
    fn a_body_needs_its_length() {
        let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(
            refused(chunked),
            (
                411,
                "Length Required: the body must be sent with Content-Length, not with \
                 Transfer-Encoding."
                    .to_owned()
            )
        );
        assert_eq!(
            refused("PUT / HTTP/1.1\r\nHost: h\r\n\r\n"),
            (411, "Length Required: the HTTP header 'Content-Length' is missing.".to_owned())
        );
        for length in ["+1", "1, 1", "", "x", "99999999999999999999"] {
            assert_eq!(
                refused(&format!("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n")),
                (400, "The HTTP header 'Content-Length' is invalid.".to_owned())
            );
        }
    }

    #[test]
    fn a_head_has_a_limit_of_size() {
        let head =
            |padding| format!("GET / HTTP/1.1\r\nHost: h\r\na: {}\r\n\r\n", "a".repeat(padding));
        let largest = MAX_HEAD_BYTES - head(0).len();
        assert!(parse(head(largest).as_bytes()).unwrap().is_some());
        assert_eq!(
            refused(&head(largest + 1)),
            (
                400,
                "The size of the request headers is too long: 16385 bytes exceed the limit of \
                 16384."
                    .to_owned()
            )
        );
        assert!(parse(format!("GET / HTTP/1.1\r\na: {}", "a".repeat(16_384)).as_bytes()).is_err());
    }

    #[test]
    fn a_host_is_needed() {
        assert_eq!(
            refused("GET / HTTP/1.1\r\n\r\n"),
            (400, "The HTTP header 'Host' is missing.".to_owned())
        );
    }
}
