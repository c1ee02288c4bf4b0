//! Message ids in little space: millions of them are kept.

use std::fmt;

use uuid::Uuid;

/// A message id. Most are UUIDs, which take 16 bytes here and 36 as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CompactId {
    /// `67e55044-10b1-426f-9247-bb680e5fe0c8`
    Hyphenated(Uuid),
    /// `67e5504410b1426f9247bb680e5fe0c8`, as the broker makes them.
    Simple(Uuid),
    /// Anything else.
    Text(Box<str>),
}

impl From<&str> for CompactId {
    fn from(text: &str) -> Self {
        // Only a text that comes back the same: ids are compared by their exact characters.
        match Uuid::try_parse(text) {
            Ok(id) if id.hyphenated().encode_lower(&mut [0; 36]) == text => Self::Hyphenated(id),
            Ok(id) if id.simple().encode_lower(&mut [0; 32]) == text => Self::Simple(id),
            _ => Self::Text(text.into()),
        }
    }
}

impl fmt::Display for CompactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hyphenated(id) => id.hyphenated().fmt(f),
            Self::Simple(id) => id.simple().fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_the_same() {
        for text in [
            "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "67E55044-10B1-426F-9247-BB680E5FE0C8",
            "67e5504410b1426f9247bb680e5fe0c8",
            "{67e55044-10b1-426f-9247-bb680e5fe0c8}",
            "order-1",
            "",
        ] {
            assert_eq!(CompactId::from(text).to_string(), text);
        }
    }

    #[test]
    fn a_uuid_takes_no_text() {
        let id = CompactId::from("67e55044-10b1-426f-9247-bb680e5fe0c8");
        assert!(matches!(id, CompactId::Hyphenated(_)));
        assert_eq!(size_of::<CompactId>(), 24);
    }
}
