//! One answer, read from the bytes as they come.

use std::fmt;

/// Most answers have far fewer headers.
const MAX_HEADERS: usize = 64;

/// An answer read to its end.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Every `x-tracking-id`.
    pub tracking_ids: Vec<String>,
    /// The `content-type`.
    pub content_type: Option<String>,
    /// Whether there is a `retry-after`.
    pub retry_after: bool,
    /// Whether the connection ends with this answer.
    pub close: bool,
    /// The body without its framing.
    pub body: Vec<u8>,
}

/// What the bytes so far hold.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// A whole answer and how many bytes it took.
    Complete(Answer, usize),
    /// An answer that goes on.
    Partial,
}

/// Why bytes are no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A head or a chunk that is not HTTP.
    NotHttp(&'static str),
    /// A `content-length` that is no number, or several that differ, or one beside chunks.
    ContentLength,
}

/// Reads one final answer; interim ones (1xx) are skipped. `ended` says that no
/// byte follows, `head_only` that the request was a HEAD.
///
/// # Errors
///
/// The bytes are no answer.
pub fn read(bytes: &[u8], ended: bool, head_only: bool) -> Result<Progress, Malformed> {
    let mut skipped = 0;
    while let Some(rest) = bytes.get(skipped..) {
        let Some(Head { mut answer, framing, len }) = head(rest, head_only)? else { break };
        if (100..200).contains(&answer.status) {
            skipped += len;
            continue;
        }
        let body = rest.get(len..).unwrap_or_default();
        let taken = match framing {
            Framing::Length(length) => body.get(..length).map(|body| (body.to_vec(), length)),
            Framing::Chunked => chunks(body)?,
            Framing::ToTheEnd => ended.then(|| (body.to_vec(), body.len())),
        };
        let Some((body, body_len)) = taken else { break };
        answer.body = body;
        return Ok(Progress::Complete(answer, skipped + len + body_len));
    }
    Ok(Progress::Partial)
}

struct Head {
    answer: Answer,
    framing: Framing,
    len: usize,
}

enum Framing {
    Chunked,
    Length(usize),
    ToTheEnd,
}

fn head(bytes: &[u8], head_only: bool) -> Result<Option<Head>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let len = match response.parse(bytes).map_err(not_http)? {
        httparse::Status::Complete(len) => len,
        httparse::Status::Partial => return Ok(None),
    };
    let mut answer = Answer {
        status: response.code.unwrap_or_default(),
        close: response.version == Some(0),
        ..Answer::default()
    };
    let mut length = None;
    let mut chunked = false;
    for header in response.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let text = || String::from_utf8_lossy(header.value).into_owned();
        if is("x-tracking-id") {
            answer.tracking_ids.push(text());
        } else if is("content-type") {
            answer.content_type = Some(text());
        } else if is("retry-after") {
            answer.retry_after = true;
        } else if is("connection") {
            answer.close |= header.value.eq_ignore_ascii_case(b"close");
        } else if is("transfer-encoding") {
            chunked = header.value.eq_ignore_ascii_case(b"chunked");
        } else if is("content-length") {
            let value: usize = text().parse().map_err(|_| Malformed::ContentLength)?;
            if length.is_some_and(|other| other != value) {
                return Err(Malformed::ContentLength);
            }
            length = Some(value);
        }
    }
    let bodyless = head_only || matches!(answer.status, 204 | 304);
    let framing = match (length, chunked) {
        (Some(_), true) => return Err(Malformed::ContentLength),
        _ if bodyless => Framing::Length(0),
        (Some(length), false) => Framing::Length(length),
        (None, true) => Framing::Chunked,
        (None, false) => Framing::ToTheEnd,
    };
    answer.close |= matches!(framing, Framing::ToTheEnd);
    Ok(Some(Head { answer, framing, len }))
}

/// The body of all chunks, and the bytes that they took.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let mut body = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..) {
        let size = httparse::parse_chunk_size(rest)
            .map_err(|_| Malformed::NotHttp("invalid chunk size"))?;
        let httparse::Status::Complete((start, size)) = size else { break };
        at += start;
        if size == 0 {
            return Ok(trailers(bytes, at)?.map(|end| (body, end)));
        }
        let size = usize::try_from(size).map_err(|_| Malformed::NotHttp("invalid chunk size"))?;
        let end = at.checked_add(size).ok_or(Malformed::NotHttp("invalid chunk size"))?;
        let Some(chunk) = bytes.get(at..end) else { break };
        match bytes.get(end..).unwrap_or_default() {
            [b'\r', b'\n', ..] => {}
            [] | [b'\r'] => break,
            _ => return Err(Malformed::NotHttp("invalid end of chunk")),
        }
        body.extend_from_slice(chunk);
        at = end + 2;
    }
    Ok(None)
}

fn trailers(bytes: &[u8], at: usize) -> Result<Option<usize>, Malformed> {
    let mut trailers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let rest = bytes.get(at..).unwrap_or_default();
    match httparse::parse_headers(rest, &mut trailers).map_err(not_http)? {
        httparse::Status::Complete((len, _)) => Ok(Some(at + len)),
        httparse::Status::Partial => Ok(None),
    }
}

fn not_http(error: httparse::Error) -> Malformed {
    Malformed::NotHttp(match error {
        httparse::Error::HeaderName => "invalid header name",
        httparse::Error::HeaderValue => "invalid header value",
        httparse::Error::NewLine => "invalid end of line",
        httparse::Error::Status => "invalid status",
        httparse::Error::Token => "invalid token",
        httparse::Error::TooManyHeaders => "too many headers",
        httparse::Error::Version => "invalid version",
    })
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHttp(what) => write!(f, "answer is not HTTP: {what}"),
            Self::ContentLength => f.write_str("answer has an ambiguous content-length"),
        }
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: &str) -> Option<(String, usize)> {
        match read(bytes.as_bytes(), false, false).unwrap() {
            Progress::Complete(answer, len) => Some((String::from_utf8(answer.body).unwrap(), len)),
            Progress::Partial => None,
        }
    }

    fn error(bytes: &str) -> String {
        read(bytes.as_bytes(), false, false).unwrap_err().to_string()
    }

    /// Every prefix is partial, the whole is complete.
    fn complete(bytes: &str) -> String {
        for end in 0..bytes.len() {
            assert_eq!(body(&bytes[..end]), None, "{:?}", &bytes[..end]);
        }
        let (body, len) = body(bytes).unwrap();
        assert_eq!(len, bytes.len());
        body
    }

    #[test]
    fn an_answer_ends_where_its_framing_says() {
        assert_eq!(complete("HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}"), "{}");
        assert_eq!(complete("HTTP/1.1 204 No Content\r\n\r\n"), "");
        assert_eq!(
            complete(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                 3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
            ),
            "abcde"
        );
        assert_eq!(
            complete("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: b\r\n\r\n"),
            ""
        );
    }

    #[test]
    fn an_interim_answer_is_skipped() {
        let final_answer = "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(complete(&format!("HTTP/1.1 100 Continue\r\n\r\n{final_answer}")), "{}");
    }

    #[test]
    fn an_answer_without_framing_lasts_until_the_end() {
        let bytes = b"HTTP/1.1 200 OK\r\n\r\nabc";
        assert_eq!(read(bytes, false, false), Ok(Progress::Partial));
        let Ok(Progress::Complete(answer, 22)) = read(bytes, true, false) else { panic!() };
        assert_eq!((answer.body.as_slice(), answer.close), (b"abc".as_slice(), true));
    }

    #[test]
    fn what_the_books_need_is_taken_from_the_head() {
        let bytes = b"HTTP/1.1 503 Service Unavailable\r\nX-Tracking-Id: 1-2\r\n\
            Content-Type: application/problem+json\r\nRetry-After: 5\r\nConnection: close\r\n\
            Content-Length: 0\r\n\r\n";
        let Ok(Progress::Complete(answer, _)) = read(bytes, false, false) else { panic!() };
        assert_eq!(
            answer,
            Answer {
                status: 503,
                tracking_ids: vec!["1-2".into()],
                content_type: Some("application/problem+json".into()),
                retry_after: true,
                close: true,
                body: Vec::new(),
            }
        );
    }

    #[test]
    fn a_head_request_has_an_answer_without_body() {
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
        assert!(matches!(read(bytes, false, true), Ok(Progress::Complete(_, 38))));
    }

    #[test]
    fn what_is_not_an_answer_is_refused() {
        assert_eq!(error("SSH-2.0-x\r\n"), "answer is not HTTP: invalid version");
        assert_eq!(
            error("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc"),
            "answer is not HTTP: invalid end of chunk"
        );
        let ambiguous = "answer has an ambiguous content-length";
        for lengths in ["content-length: x", "content-length: 1\r\ncontent-length: 2"] {
            assert_eq!(error(&format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\n")), ambiguous);
        }
        assert_eq!(
            error("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"),
            ambiguous
        );
    }
}
