//! SQL filters and actions, as documented for the rules of subscriptions.
//!
//! ```text
//! filter, action    what a rule does with a message
//!   |
//! syntax            text -> sqlparser's tree -> ours, or an error with its column
//!   |
//! evaluate          three-valued logic over a message
//!   |        \
//! operator    property, like
//! ```
//!
//! The grammar is that of <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-messaging-sql-filter>
//! and of `service-bus-messaging-sql-rule-action` beside it. Anything else is refused.

mod action;
mod evaluate;
mod expression;
mod filter;
mod like;
mod operator;
mod property;
#[cfg(test)]
mod property_tests;
mod syntax;
#[cfg(test)]
mod tests;

use std::fmt;

pub use action::Action;
pub use filter::SqlFilter;

/// The longest filter or action, in characters (Service Bus quotas).
const LONGEST: usize = 1024;

/// A text is not a filter or an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError(String);

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SqlError {}

impl SqlError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}
