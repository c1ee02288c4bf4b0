//! The filter of a rule in SQL.

use uuid::Uuid;

use super::expression::Predicate;
use super::{SqlError, syntax};
use crate::broker::Message;

/// An expression that is true of the messages that pass.
#[derive(Clone, Debug, PartialEq)]
pub struct SqlFilter {
    text: String,
    predicate: Predicate,
}

impl SqlFilter {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let predicate = syntax::predicate(text)?;
        Ok(Self { text: text.to_owned(), predicate })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the expression is true; unknown is not true.
    ///
    /// # Errors
    /// An operator has operands of the wrong types.
    pub fn matches(&self, message: &Message, new_id: &dyn Fn() -> Uuid) -> Result<bool, String> {
        Ok(self.predicate.evaluate(message, new_id)? == Some(true))
    }
}
