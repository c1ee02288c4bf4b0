//! The action of a rule: what it changes in its own copy of a message.

use uuid::Uuid;

use super::expression::Expression;
use super::property::Property;
use super::{SqlError, syntax};
use crate::broker::Message;

/// The most statements of one action (Service Bus quotas).
const MOST_STATEMENTS: usize = 32;

/// `SET` and `REMOVE` statements, carried out in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    text: String,
    statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Statement {
    Set(Property, Expression),
    Remove(Property),
}

impl Action {
    /// Reads statements.
    ///
    /// # Errors
    /// What is wrong with them, and where.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let statements = syntax::statements(text)?;
        if statements.len() > MOST_STATEMENTS {
            return Err(SqlError::new(format!(
                "an action has at most {MOST_STATEMENTS} statements, this one {}",
                statements.len()
            )));
        }
        Ok(Self { text: text.to_owned(), statements })
    }

    /// The statements as they were written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Changes a message.
    ///
    /// # Errors
    /// A value cannot be computed, or the message cannot take it.
    pub fn apply(&self, message: &mut Message, new_id: &dyn Fn() -> Uuid) -> Result<(), String> {
        for statement in &self.statements {
            match statement {
                Statement::Set(property, value) => {
                    let value = value.evaluate(message, new_id)?;
                    property.set(message, value)?;
                }
                Statement::Remove(property) => property.set(message, None)?,
            }
        }
        Ok(())
    }
}
