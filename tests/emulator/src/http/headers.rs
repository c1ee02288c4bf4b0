//! The headers of a request, exactly as received: names with their case, order, raw values.

use bytes::{BufMut, Bytes, BytesMut};

use crate::refusal::Refusal;

/// Headers in the order of the wire, in one block of memory.
#[derive(Debug, Default)]
pub struct Headers {
    block: Bytes,
    fields: Box<[Field]>,
}

/// Where a name and a value lie in the block.
#[derive(Clone, Copy, Debug)]
struct Field {
    name: (u32, u32),
    value: (u32, u32),
}

impl Headers {
    /// Copies headers.
    pub fn new<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut block = BytesMut::new();
        let mut fields = Vec::new();
        let mut append = |text: &[u8]| {
            let start = block.len();
            block.put_slice(text);
            // A block is far below 4 GB: heads are limited before they come here.
            (u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(block.len()).unwrap_or(0))
        };
        for (name, value) in headers {
            fields.push(Field { name: append(name.as_bytes()), value: append(value) });
        }
        Self { block: block.freeze(), fields: fields.into() }
    }

    /// Names and raw values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields.iter().map(|field| {
            let name = std::str::from_utf8(self.part(field.name)).unwrap_or_default();
            (name, self.part(field.value))
        })
    }

    fn part(&self, (start, end): (u32, u32)) -> &[u8] {
        self.block.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Every value of a header; case of the name does not matter.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value)
    }

    /// The value of a header that may be there once.
    ///
    /// # Errors
    /// It is there twice, or is not text.
    pub fn only(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.all(name);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Refusal::bad_request(format!("The HTTP header '{name}' is given twice.")));
        }
        match std::str::from_utf8(value) {
            Ok(text) if text.is_ascii() => Ok(Some(text.trim())),
            _ => Err(Refusal::bad_request(format!(
                "The value of the HTTP header '{name}' holds bytes that are not ASCII."
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_order_and_bytes_are_kept() {
        let headers = Headers::new([("Priority", &b"5"[..]), ("a", b"\xff"), ("priority", b"")]);
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [("Priority", &b"5"[..]), ("a", b"\xff"), ("priority", b"")]);
        assert_eq!(headers.all("PRIORITY").collect::<Vec<_>>(), [&b"5"[..], b""]);
    }

    #[test]
    fn a_header_that_may_be_there_once_is_not_there_twice() {
        let headers = Headers::new([("Host", &b"a"[..]), ("host", b"b")]);
        let refusal = headers.only("Host").unwrap_err();
        assert_eq!(refusal, Refusal::bad_request("The HTTP header 'Host' is given twice."));
        assert_eq!(headers.only("x"), Ok(None));
    }
}
