//! What `check` has to say.

use std::fmt::Write as _;
use std::rc::Rc;

use serde_json::{Value as Json, json};

use crate::text::Position;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The configuration does not work.
    Error,
    /// It works, but not as its author may think.
    Warning,
}

/// A fault or a warning, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) file: Rc<str>,
    pub(crate) at: Position,
    /// Path of the value; empty for a whole text.
    pub(crate) place: String,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn error(file: &Rc<str>, at: Position, place: &str, message: &str) -> Self {
        let (place, message) = (place.to_owned(), message.to_owned());
        Self { severity: Severity::Error, file: Rc::clone(file), at, place, message }
    }

    pub(crate) fn warning(file: &Rc<str>, at: Position, place: &str, message: &str) -> Self {
        Self { severity: Severity::Warning, ..Self::error(file, at, place, message) }
    }

    /// As compilers write it, so that editors find the place.
    pub(crate) fn line(&self) -> String {
        let Self { file, at: Position { line, column }, place, message, .. } = self;
        let word = match self.severity {
            Severity::Error => "\u{1b}[1;31merror\u{1b}[0m",
            Severity::Warning => "\u{1b}[1;33mwarning\u{1b}[0m",
        };
        let mut text = format!("{file}:{line}:{column}: {word}: ");
        if !place.is_empty() {
            let _ = write!(text, "{place}: ");
        }
        text.push_str(message);
        text.push('\n');
        text
    }

    pub(crate) fn json(&self) -> Json {
        json!({
            "file": &*self.file,
            "line": self.at.line,
            "column": self.at.column,
            "severity": match self.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "place": self.place,
            "message": self.message,
        })
    }
}
