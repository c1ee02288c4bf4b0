//! The bytes of a request.

use http::{HeaderName, HeaderValue, Method};

use crate::plan::{Key, Moment, Planned};
use crate::target::Target;

/// Headers that the load generator writes itself.
const OWN: [&str; 4] = ["connection", "content-length", "idempotency-key", "transfer-encoding"];

/// What all requests of a run have in common.
#[derive(Clone, Debug)]
pub struct Template {
    method: Method,
    common: Vec<u8>,
}

/// One request, ready to be sent.
#[derive(Debug, Default)]
pub struct Wire {
    /// Head and body.
    pub bytes: Vec<u8>,
    /// How many of them leave: fewer than all if the client goes away while sending.
    pub cut: usize,
}

impl Template {
    /// A template of requests to the target.
    ///
    /// # Errors
    ///
    /// Names a header that the load generator writes itself.
    pub fn new(
        method: Method,
        target: &Target,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Self, String> {
        let mut common = format!("{method} {} HTTP/1.1\r\n", target.path).into_bytes();
        let given = |name: &str| headers.iter().any(|(given, _)| given == name);
        if !given("host") {
            common.extend_from_slice(format!("host: {}\r\n", target.authority).as_bytes());
        }
        if !given("content-type") {
            common.extend_from_slice(b"content-type: application/json\r\n");
        }
        for (name, value) in headers {
            if OWN.contains(&name.as_str()) {
                return Err(format!("the header {name} is written by the load generator"));
            }
            common.extend_from_slice(name.as_str().as_bytes());
            common.extend_from_slice(b": ");
            common.extend_from_slice(value.as_bytes());
            common.extend_from_slice(b"\r\n");
        }
        Ok(Self { method, common })
    }

    /// Whether answers come without a body whatever their headers say.
    pub fn asks_for_head(&self) -> bool {
        self.method == Method::HEAD
    }

    /// Writes the planned request over the last one.
    pub fn write(&self, planned: &Planned, wire: &mut Wire) {
        let bytes = &mut wire.bytes;
        bytes.clear();
        bytes.extend_from_slice(&self.common);
        bytes.extend_from_slice(format!("idempotency-key: {}\r\n", planned.key).as_bytes());
        // Where a cut may fall, and how many last bytes must stay for the request to be incomplete.
        let (start, last) = match planned.chunks {
            Some(chunks) => {
                bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
                let head = bytes.len();
                append_chunks(bytes, &body(planned.key, planned.body_bytes), chunks);
                (head, b"0\r\n\r\n".len())
            }
            None => {
                let length = format!("content-length: {}\r\n\r\n", planned.body_bytes);
                bytes.extend_from_slice(length.as_bytes());
                let head = bytes.len();
                bytes.extend_from_slice(&body(planned.key, planned.body_bytes));
                if bytes.len() > head { (head, 1) } else { (0, b"\r\n\r\n".len()) }
            }
        };
        wire.cut = match planned.abort.as_ref().map(|abort| &abort.moment) {
            Some(Moment::Sending { share, .. }) => start + part(bytes.len() - last - start, *share),
            Some(Moment::Sent | Moment::Waiting(_)) | None => bytes.len(),
        };
    }
}

fn part(whole: usize, share: f64) -> usize {
    (whole as f64 * share) as usize
}

/// JSON of exactly that size, with the key in it where it fits.
fn body(key: Key, size: usize) -> Vec<u8> {
    let start = format!(r#"{{"orderId":"{key}","padding":""#);
    let end = r#""}"#;
    match size.checked_sub(start.len() + end.len()) {
        Some(padding) => {
            let mut body = Vec::with_capacity(size);
            body.extend_from_slice(start.as_bytes());
            body.resize(start.len() + padding, b'x');
            body.extend_from_slice(end.as_bytes());
            body
        }
        None => vec![b'1'; size],
    }
}

fn append_chunks(bytes: &mut Vec<u8>, body: &[u8], chunks: usize) {
    let size = body.len().div_ceil(chunks.max(1)).max(1);
    for chunk in body.chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::Abort;

    const KEY: Key = Key { seed: 1, n: 7 };

    fn template(headers: &[(&str, &str)]) -> Result<Template, String> {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        Template::new(Method::POST, &"http://127.0.0.1:1/orders".parse().unwrap(), &headers)
    }

    fn wire(body_bytes: usize, chunks: Option<usize>, moment: Option<Moment>) -> Wire {
        let abort = moment.map(|moment| Abort { moment, reset: false });
        let mut wire = Wire::default();
        let planned = Planned { key: KEY, body_bytes, chunks, abort };
        template(&[]).unwrap().write(&planned, &mut wire);
        wire
    }

    fn sent(wire: &Wire) -> &str {
        std::str::from_utf8(&wire.bytes[..wire.cut]).unwrap()
    }

    #[test]
    fn a_request_has_its_key_and_a_body_of_its_size() {
        let wire = wire(40, None, None);
        assert_eq!(
            sent(&wire),
            "POST /orders HTTP/1.1\r\nhost: 127.0.0.1:1\r\ncontent-type: application/json\r\n\
             idempotency-key: 1-7\r\ncontent-length: 40\r\n\r\n\
             {\"orderId\":\"1-7\",\"padding\":\"xxxxxxxxxx\"}"
        );
    }

    #[test]
    fn a_body_of_any_size_but_none_is_json() {
        assert!(body(KEY, 0).is_empty());
        for size in 1..200 {
            let body = body(KEY, size);
            assert_eq!(body.len(), size);
            serde_json::from_slice::<serde::de::IgnoredAny>(&body).unwrap();
        }
    }

    #[test]
    fn chunks_join_to_the_body() {
        let wire = wire(10, Some(3), None);
        let text = sent(&wire);
        let body = text.split_once("transfer-encoding: chunked\r\n\r\n").unwrap().1;
        assert_eq!(body, "4\r\n1111\r\n4\r\n1111\r\n2\r\n11\r\n0\r\n\r\n");
    }

    #[test]
    fn a_client_that_goes_away_while_sending_never_completes_its_request() {
        for share in [0.0, 0.5, 0.999_999_9] {
            let sending = || Some(Moment::Sending { share, then: Duration::ZERO });
            for size in [0, 1, 2, 100] {
                let plain = wire(size, None, sending());
                assert!(plain.cut < plain.bytes.len(), "{size} bytes, {share}");
                let chunked = wire(size, Some(2), sending());
                assert!(chunked.cut <= chunked.bytes.len() - 5, "{size} bytes, {share}");
            }
            assert!(!sent(&wire(0, None, sending())).ends_with("\n\r"));
        }
    }

    #[test]
    fn given_headers_replace_the_defaults_but_not_the_framing() {
        let given = template(&[("content-type", "text/plain"), ("host", "shop")]).unwrap();
        assert_eq!(
            given.common,
            b"POST /orders HTTP/1.1\r\ncontent-type: text/plain\r\nhost: shop\r\n"
        );
        assert_eq!(
            template(&[("content-length", "1")]).unwrap_err(),
            "the header content-length is written by the load generator"
        );
    }
}
