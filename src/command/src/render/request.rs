//! A request as a `.http` file has it: HTTP/1.1, but for comments before it, a version that may be
//! missing, and lines that end as the file's do.

use envoy_service_bus::http::Headers;

/// A request for the filter, as Envoy would hand it over.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
}

/// Reads the first request of a file: its line, headers, a blank line, and the body, byte for byte
/// up to the end, to `content-length`, or to a line that begins with `###`.
pub(super) fn read(file: &[u8]) -> Result<Request, String> {
    let mut lines = Lines { rest: file, number: 0 };
    let (method, target) = loop {
        let line = lines.next().ok_or("the file holds no request")?;
        let text = ascii(line, lines.number)?;
        // What `.http` files may have before a request.
        if text.is_empty() || text.starts_with(['#', '@']) || text.starts_with("//") {
            continue;
        }
        break request_line(text).ok_or_else(|| {
            format!("line {}: expected a request line such as \"POST /orders\"", lines.number)
        })?;
    };
    let mut headers = vec![];
    let mut host = None;
    while let Some(line) = lines.next() {
        if line.is_empty() {
            break;
        }
        let (name, value) = header(line).ok_or_else(|| {
            format!("line {}: expected a header such as \"content-type: a/b\"", lines.number)
        })?;
        match name.as_str() {
            "host" => host = Some(value),
            _ => headers.push((name, value)),
        }
    }
    let body = body(lines.rest, &headers)?;
    let (scheme, authority, path) = split(&target);
    let authority = authority
        .map(|text| text.as_bytes().to_vec())
        .or(host)
        .ok_or("the request names no host: add a header `host`")?;
    let pseudo = [
        (":method", method.as_bytes().to_vec()),
        (":scheme", scheme.as_bytes().to_vec()),
        (":authority", authority),
        (":path", path.as_bytes().to_vec()),
    ];
    let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value));
    Ok(Request { headers: pseudo.chain(headers).collect(), body })
}

struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let line = self.rest.split_inclusive(|byte| *byte == b'\n').next()?;
        self.rest = self.rest.get(line.len()..).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

fn ascii(line: &[u8], number: usize) -> Result<&str, String> {
    let text = std::str::from_utf8(line).map_err(|_| format!("line {number}: not UTF-8"))?;
    Ok(text.trim())
}

/// The line of a request, with or without the version of HTTP.
fn request_line(text: &str) -> Option<(String, String)> {
    let mut words = text.split_ascii_whitespace();
    let head = format!("{} {} HTTP/1.1\r\n\r\n", words.next()?, words.next()?);
    let version_fits = words.next().is_none_or(|version| version.starts_with("HTTP/"));
    if !version_fits || words.next().is_some() {
        return None;
    }
    let mut request = httparse::Request::new(&mut []);
    if !request.parse(head.as_bytes()).ok()?.is_complete() {
        return None;
    }
    let (method, target) = (request.method?, request.path?);
    let fits = method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
        && (target.starts_with('/') || target.contains("://"));
    fits.then(|| (method.to_owned(), target.to_owned()))
}

/// One header, so that a mistake has its line.
fn header(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let block = [line, b"\r\n\r\n"].concat();
    let mut headers = [httparse::EMPTY_HEADER];
    let (_, headers) = match httparse::parse_headers(&block, &mut headers).ok()? {
        httparse::Status::Complete(parsed) => parsed,
        httparse::Status::Partial => return None,
    };
    let [httparse::Header { name, value }] = headers else { return None };
    Some((name.to_ascii_lowercase(), value.to_vec()))
}

fn body(rest: &[u8], headers: &[(String, Vec<u8>)]) -> Result<Vec<u8>, String> {
    let length = headers.iter().find(|(name, _)| name == "content-length");
    if let Some((_, value)) = length {
        let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        let length: usize = length.ok_or("content-length is not a number")?;
        let found = rest.len();
        let body = rest.get(..length);
        return body
            .map(<[u8]>::to_vec)
            .ok_or_else(|| format!("the body has {found} bytes, content-length says {length}"));
    }
    let mut end = 0;
    for line in rest.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"###") {
            break;
        }
        end += line.len();
    }
    Ok(rest.get(..end).unwrap_or(rest).to_vec())
}

/// Scheme, authority and path of a target.
fn split(target: &str) -> (&str, Option<&str>, &str) {
    let Some((scheme, rest)) = target.split_once("://") else { return ("https", None, target) };
    let start = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(start).unwrap_or((rest, ""));
    (scheme, Some(authority), if path.is_empty() { "/" } else { path })
}
