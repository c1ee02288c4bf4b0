//! A client that sends what it is told, right or wrong, and shows what comes back.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// An answer, headers in order and with their case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header, by its exact name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn broker_properties(&self) -> Value {
        serde_json::from_str(self.header("BrokerProperties").unwrap()).unwrap()
    }

    /// The text of an error, without the tracking that differs each time.
    pub(crate) fn detail(&self) -> String {
        let code = format!("<Error><Code>{}</Code><Detail>", self.status);
        let rest = self.text().strip_prefix(&code).unwrap_or_else(|| panic!("{}", self.text()));
        let (detail, tracking) = rest.rsplit_once(" TrackingId:").unwrap();
        assert!(tracking.ends_with("</Detail></Error>"), "{tracking}");
        detail.to_owned()
    }
}

/// Sends raw bytes and reads one answer.
pub(crate) fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> io::Result<Answer> {
    stream.write_all(request)?;
    read(stream)
}

/// Reads one answer.
pub(crate) fn read(stream: &mut impl Read) -> io::Result<Answer> {
    let mut head = read_head(stream)?;
    while head.starts_with("HTTP/1.1 100") {
        head = read_head(stream)?;
    }
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<_> = lines
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    if answer.header("Transfer-Encoding") == Some("chunked") {
        loop {
            let size = usize::from_str_radix(read_until(stream, "\r\n")?.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk)?;
            if size == 0 {
                break;
            }
            answer.body.extend_from_slice(&chunk[..size]);
        }
    } else {
        let length = answer.header("Content-Length").unwrap().parse().unwrap();
        answer.body = vec![0; length];
        stream.read_exact(&mut answer.body)?;
    }
    Ok(answer)
}

/// The status line and the headers.
pub(crate) fn read_head(stream: &mut impl Read) -> io::Result<String> {
    read_until(stream, "\r\n\r\n")
}

fn read_until(stream: &mut impl Read, end: &str) -> io::Result<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(end.as_bytes()) {
        stream.read_exact(&mut byte)?;
        text.push(byte[0]);
    }
    Ok(String::from_utf8(text).unwrap())
}

/// A connection that does not wait for ever.
pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// A request as bytes. `Host` and `Content-Length` are added unless the headers name them.
pub(crate) fn request(line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!("{line} HTTP/1.1\r\n");
    let mut add = |name: &str, value: &str| {
        if !headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            request += &format!("{name}: {value}\r\n");
        }
    };
    add("Host", HOST);
    add("Content-Length", &body.len().to_string());
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    let mut request = (request + "\r\n").into_bytes();
    request.extend_from_slice(body);
    request
}

/// The host of the namespace in the shipped file.
pub(crate) const HOST: &str = "sbemulatorns.servicebus.windows.net";
