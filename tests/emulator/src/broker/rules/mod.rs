//! The rules of a subscription: which messages of its topic it gets, and what they then say. They
//! have names, and come and go while messages are sent.

mod correlation;
mod sql;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use correlation::{CorrelationFilter, Field};
pub use sql::{Action, SqlError, SqlFilter};

use bytes::Bytes;
use parking_lot::RwLock;
use uuid::Uuid;

use super::{Message, PropertyValue};

/// The rule of a subscription that was told none.
pub const DEFAULT_RULE: &str = "$Default";

/// The property of a copy that an action has made: the name of its rule.
const RULE_NAME: &str = "RuleName";

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique in its subscription, whatever its case.
    pub name: Box<str>,
    /// Which messages it lets through.
    pub filter: Filter,
    /// What it changes in its own copy of a message.
    pub action: Option<Action>,
}

/// The filter of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Every message.
    True,
    /// No message.
    False,
    /// Messages of which an expression is true.
    Sql(SqlFilter),
    /// Messages with equal fields.
    Correlation(CorrelationFilter),
}

/// The rules of a subscription, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Rules(RwLock<Vec<Rule>>);

/// Why a change of rules is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// A rule of that name is there already.
    Exists,
    /// There is no rule of that name.
    NotFound,
}

/// What a subscription gets of one message.
#[derive(Debug, Default)]
pub struct Selected {
    /// One for all rules without an action, and one for each rule with an action.
    pub copies: Vec<Arc<Message>>,
    /// The first rule that could not be evaluated: the message belongs in the dead-letter queue.
    pub failure: Option<RuleFailure>,
}

/// A rule cannot be evaluated for a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFailure {
    /// The rule.
    pub rule: Box<str>,
    /// Why.
    pub reason: String,
}

impl fmt::Display for RuleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The rule '{}' cannot be evaluated: {}.", self.rule, self.reason)
    }
}

impl Filter {
    /// Whether the message passes.
    ///
    /// # Errors
    /// An operator of SQL has operands of the wrong types.
    pub fn matches(&self, message: &Message, new_id: &dyn Fn() -> Uuid) -> Result<bool, String> {
        match self {
            Self::True => Ok(true),
            Self::False => Ok(false),
            Self::Sql(filter) => filter.matches(message, new_id),
            Self::Correlation(filter) => Ok(filter.matches(message)),
        }
    }
}

impl Rules {
    /// What a new subscription has: one rule that lets everything through.
    #[must_use]
    pub fn default_rule() -> Self {
        Self::new(vec![Rule { name: DEFAULT_RULE.into(), filter: Filter::True, action: None }])
    }

    /// Rules in the order in which they are listed.
    #[must_use]
    pub const fn new(rules: Vec<Rule>) -> Self {
        Self(RwLock::new(rules))
    }

    /// A copy of all of them.
    #[must_use]
    pub fn list(&self) -> Vec<Rule> {
        self.0.read().clone()
    }

    /// Adds a rule.
    ///
    /// # Errors
    /// One of that name is there already.
    pub fn add(&self, rule: Rule) -> Result<(), RuleError> {
        let mut rules = self.0.write();
        if rules.iter().any(|other| same_name(&other.name, &rule.name)) {
            return Err(RuleError::Exists);
        }
        rules.push(rule);
        Ok(())
    }

    /// Removes a rule.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn remove(&self, name: &str) -> Result<(), RuleError> {
        let mut rules = self.0.write();
        let before = rules.len();
        rules.retain(|rule| !same_name(&rule.name, name));
        if rules.len() == before { Err(RuleError::NotFound) } else { Ok(()) }
    }

    /// What the subscription gets of a message. `new_id` is SQL's `newid()`.
    #[must_use]
    pub fn select(&self, message: &Arc<Message>, new_id: &dyn Fn() -> Uuid) -> Selected {
        let mut selected = Selected::default();
        let mut unchanged = false;
        for rule in &*self.0.read() {
            match rule.apply(message, new_id) {
                Ok(Outcome::Refused) => {}
                Ok(Outcome::Unchanged) => unchanged = true,
                Ok(Outcome::Changed(copy)) => selected.copies.push(copy),
                Err(reason) if selected.failure.is_none() => {
                    selected.failure = Some(RuleFailure { rule: rule.name.clone(), reason });
                }
                Err(_) => {}
            }
        }
        if unchanged {
            selected.copies.insert(0, Arc::clone(message));
        }
        selected
    }
}

fn same_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// What one rule says of a message.
enum Outcome {
    Refused,
    Unchanged,
    Changed(Arc<Message>),
}

impl Rule {
    fn apply(&self, message: &Message, new_id: &dyn Fn() -> Uuid) -> Result<Outcome, String> {
        if !self.filter.matches(message, new_id)? {
            return Ok(Outcome::Refused);
        }
        let Some(action) = &self.action else { return Ok(Outcome::Unchanged) };
        let mut copy = message.clone();
        action.apply(&mut copy, new_id)?;
        let mut properties = std::mem::take(&mut copy.properties).into_vec();
        properties.retain(|(name, _)| **name != *RULE_NAME);
        properties.push((RULE_NAME.into(), PropertyValue::Text(self.name.clone())));
        copy.properties = properties.into();
        if let Some(bare) = &mut copy.bare {
            // They say what the message said before.
            bare.properties = Bytes::new();
            bare.application_properties = Bytes::new();
        }
        Ok(Outcome::Changed(Arc::new(copy)))
    }
}
