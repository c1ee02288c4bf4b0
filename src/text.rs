//! Texts in the forms that URIs and headers take.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use uuid::Builder;

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes all but unreserved characters, in upper-case hexadecimal.
pub(crate) fn percent_encode(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

/// The version 4 UUID of some random bytes.
pub(crate) fn uuid(random: [u8; 16]) -> String {
    let uuid = Builder::from_random_bytes(random).into_uuid();
    uuid.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).to_owned()
}

/// Whether a text is printable ASCII, so that it can stand in a header.
pub(crate) fn is_visible_ascii(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Whether the bytes are one token of RFC 9110: a method or a header name.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Writes a JSON text in ASCII, so that it can be a header value.
pub(crate) fn ascii_json(json: String) -> String {
    use std::fmt::Write;

    if is_visible_ascii(&json) {
        return json;
    }
    let mut ascii = String::with_capacity(json.len());
    let mut units = [0; 2];
    for character in json.chars() {
        if (' '..='~').contains(&character) {
            ascii.push(character);
            continue;
        }
        // Outside of strings JSON written by serde_json is printable ASCII.
        for unit in character.encode_utf16(&mut units) {
            // Writing to a String does not fail.
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stay() {
        let encoded = percent_encode("aZ09-._~/ +%&=é").to_string();
        assert_eq!(encoded, "aZ09-._~%2F%20%2B%25%26%3D%C3%A9");
    }

    #[test]
    fn json_becomes_ascii_and_says_the_same() {
        let json = serde_json::to_string("é\u{7f}日😀\"\n").unwrap();
        let ascii = ascii_json(json);
        assert_eq!(ascii, r#""\u00e9\u007f\u65e5\ud83d\ude00\"\n""#);
        assert_eq!(serde_json::from_str::<String>(&ascii).unwrap(), "é\u{7f}日😀\"\n");
    }
}
