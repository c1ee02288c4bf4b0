//! Texts that must not be shown.

use std::fmt;
use std::rc::Rc;

/// A text that `Debug` does not show and that has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Rc<str>);

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The text itself: for a signature or a header, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// As [`Secret::expose`], to be kept for a while.
    pub fn share(&self) -> Rc<str> {
        Rc::clone(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}
