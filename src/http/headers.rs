//! Header maps as Envoy hands them over: bytes, names in lower case, duplicates kept.
//!
//! One buffer holds the number of pairs, the lengths of each name and value, then the texts, each
//! followed by a zero byte; numbers are 32 bits, little-endian (proxy-wasm ABI, "serialized map").

use std::borrow::Cow;

/// A header to be written. Most names, and some values, are known when the module is built.
pub type Header = (Cow<'static, str>, Cow<'static, str>);

/// A map of so many bytes is kept whole: a copy would save little, and each request would pay it.
const SMALL: usize = 1024;

/// Names of headers, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderNames {
    all: bool,
    names: Vec<String>,
}

impl HeaderNames {
    /// Adds a name.
    pub fn add(&mut self, name: &str) {
        if !self.has(name.as_bytes()) {
            self.names.push(name.to_owned());
        }
    }

    /// Adds every name that there is.
    pub fn add_all(&mut self) {
        self.all = true;
    }

    /// Adds other names.
    pub fn extend(&mut self, other: &Self) {
        self.all |= other.all;
        other.names.iter().for_each(|name| self.add(name));
    }

    /// Whether a name is one of them.
    pub fn has(&self, name: &[u8]) -> bool {
        self.all || self.names.iter().any(|own| own.as_bytes() == name)
    }
}

/// A header map, decoded in place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    buffer: Vec<u8>,
    pairs: Vec<Pair>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    start: usize,
    name: usize,
    value: usize,
}

impl Headers {
    /// Decodes a buffer; `None` when its lengths lie. An empty buffer is an empty map.
    pub fn decode(buffer: Vec<u8>) -> Option<Self> {
        if buffer.is_empty() {
            return Some(Self::default());
        }
        let number = |at: usize| {
            let bytes = buffer.get(at..at.checked_add(4)?)?;
            usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
        };
        let count = number(0)?;
        // Each pair takes ten bytes at least, so a lying count cannot reserve much.
        if count > buffer.len() / 10 {
            return None;
        }
        let mut pairs = Vec::with_capacity(count);
        let mut start = 4 + count * 8;
        for index in 0..count {
            let (name, value) = (number(4 + index * 8)?, number(8 + index * 8)?);
            let end = start.checked_add(name)?.checked_add(value)?.checked_add(2)?;
            buffer.get(start..end)?;
            pairs.push(Pair { start, name, value });
            start = end;
        }
        Some(Self { buffer, pairs })
    }

    /// All pairs in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.pairs.iter().filter_map(|pair| self.texts(pair))
    }

    fn texts(&self, pair: &Pair) -> Option<(&[u8], &[u8])> {
        let after_name = pair.start + pair.name;
        let name = self.buffer.get(pair.start..after_name)?;
        let value = self.buffer.get(after_name + 1..after_name + 1 + pair.value)?;
        Some((name, value))
    }

    /// Values of a header in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        // Most names differ in length already, which needs no look at the texts.
        let alike = self.pairs.iter().filter(move |pair| pair.name == name.len());
        alike
            .filter_map(|pair| self.texts(pair))
            .filter(move |(key, _)| *key == name.as_bytes())
            .map(|(_, value)| value)
    }

    /// The first value of a header.
    pub fn first<'a>(&'a self, name: &'a str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The first value as text, `None` when it is not UTF-8.
    pub fn first_text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.first(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// All values of a header, joined by commas; `None` when there is none.
    pub fn joined<'a>(&'a self, name: &'a str) -> Option<Cow<'a, [u8]>> {
        let mut values = self.all(name);
        let mut joined = Cow::Borrowed(values.next()?);
        for value in values {
            let joined = joined.to_mut();
            joined.push(b',');
            joined.extend_from_slice(value);
        }
        Some(joined)
    }

    /// Only those of some names, where that saves enough to be worth a copy.
    pub fn only(self, names: &HeaderNames) -> Self {
        if names.all || self.buffer.len() <= SMALL {
            return self;
        }
        let mut kept = Self::default();
        for pair in &self.pairs {
            let end = pair.start + pair.name + pair.value + 2;
            let Some(text) = self.buffer.get(pair.start..end) else { continue };
            if text.get(..pair.name).is_some_and(|name| names.has(name)) {
                kept.pairs.push(Pair { start: kept.buffer.len(), ..*pair });
                kept.buffer.extend_from_slice(text);
            }
        }
        kept.buffer.shrink_to_fit();
        kept
    }

    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        self.buffer.len() + self.pairs.len() * size_of::<Pair>()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs: Vec<_> = pairs.into_iter().collect();
        Self::decode(encode(pairs.iter().map(|(name, value)| (name, value)))).unwrap_or_default()
    }
}

/// A header with its name and value.
pub fn header(name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Header {
    (name.into(), value.into())
}

/// Writes a header map as Envoy takes it.
pub fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    pairs: impl IntoIterator<Item = (N, V), IntoIter: Clone>,
) -> Vec<u8> {
    let pairs = pairs.into_iter();
    let texts = pairs.clone().map(|(n, v)| n.as_ref().len() + v.as_ref().len() + 10);
    let mut buffer = Vec::with_capacity(4 + texts.sum::<usize>());
    let number = |buffer: &mut Vec<u8>, value: usize| {
        // No header comes near 4 GiB; a length that did would decode to nothing.
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        buffer.extend_from_slice(&value.to_le_bytes());
    };
    number(&mut buffer, pairs.clone().count());
    for (name, value) in pairs.clone() {
        number(&mut buffer, name.as_ref().len());
        number(&mut buffer, value.as_ref().len());
    }
    for (name, value) in pairs {
        buffer.extend_from_slice(name.as_ref());
        buffer.push(0);
        buffer.extend_from_slice(value.as_ref());
        buffer.push(0);
    }
    buffer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Headers {
        [(":path", &b"/a"[..]), ("x-a", b"1"), ("x-b", b"\xff"), ("x-a", b""), ("x-a", b"2,3")]
            .into_iter()
            .collect()
    }

    #[test]
    fn values_are_found_by_name() {
        let headers = sample();
        assert_eq!(headers.first("x-a"), Some(&b"1"[..]));
        assert_eq!(headers.all("x-a").collect::<Vec<_>>(), [&b"1"[..], b"", b"2,3"]);
        assert_eq!(headers.joined("x-a").as_deref(), Some(&b"1,,2,3"[..]));
        assert_eq!(headers.joined("x-b").as_deref(), Some(&b"\xff"[..]));
        assert_eq!(headers.joined("x-c"), None);
        assert_eq!(headers.first_text(":path"), Some("/a"));
        assert_eq!(headers.first_text("x-b"), None);
    }

    #[test]
    fn only_the_headers_of_some_names_are_kept() {
        let cookie = vec![b'c'; SMALL];
        let pairs = [("x-b", &cookie[..]), ("x-a", b"1"), ("x-a", b""), ("x-a", b"2,3")];
        let headers: Headers = pairs.into_iter().collect();
        let mut names = HeaderNames::default();
        assert!(headers.clone().only(&names).is_empty());
        names.add("x-a");
        names.add("x-other");
        let kept = headers.clone().only(&names);
        assert_eq!(kept.all("x-a").collect::<Vec<_>>(), [&b"1"[..], b"", b"2,3"]);
        assert_eq!(kept.iter().count(), 3);
        assert!(kept.size() < 300);
        names.add_all();
        assert_eq!(headers.clone().only(&names), headers);
        let small = sample();
        assert_eq!(small.clone().only(&HeaderNames::default()), small);
    }

    #[test]
    fn a_buffer_that_ends_early_is_refused() {
        let buffer = encode([("name", "value"), ("other", "")]);
        assert!(Headers::decode(buffer.clone()).is_some());
        for end in 1..buffer.len() {
            assert_eq!(Headers::decode(buffer[..end].to_vec()), None, "{end}");
        }
        assert_eq!(Headers::decode(vec![0xff; 64]), None);
        assert!(Headers::decode(vec![]).is_some_and(|headers| headers.is_empty()));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            pairs in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..8)
        ) {
            let headers = Headers::decode(encode(pairs.clone())).unwrap();
            let decoded: Vec<_> =
                headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(decoded, pairs);
        }

        #[test]
        fn no_bytes_make_it_panic(buffer: Vec<u8>) {
            if let Some(headers) = Headers::decode(buffer) {
                let _ = headers.iter().count();
            }
        }
    }
}
