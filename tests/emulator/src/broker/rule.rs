//! The rules of a subscription. They have names, and come and go while messages are sent.

use parking_lot::RwLock;

use super::{Filter, Message};

/// The rule of a subscription that was configured without rules.
pub const DEFAULT_RULE: &str = "$Default";

/// A named rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Unique in its subscription, whatever its case.
    pub name: Box<str>,
    /// Which messages it lets through.
    pub filter: Filter,
}

/// Why a change of rules is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// A rule of that name is there already.
    Exists,
    /// There is no rule of that name.
    NotFound,
}

/// The rules of one subscription.
#[derive(Debug)]
pub struct Rules(RwLock<Vec<Rule>>);

impl Rules {
    /// Rules in the order in which they are listed.
    #[must_use]
    pub const fn new(rules: Vec<Rule>) -> Self {
        Self(RwLock::new(rules))
    }

    /// Whether one of them lets the message through.
    #[must_use]
    pub fn matches(&self, message: &Message) -> bool {
        self.0.read().iter().any(|rule| rule.filter.matches(message))
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
        if rules.iter().any(|other| other.name.eq_ignore_ascii_case(&rule.name)) {
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
        rules.retain(|rule| !rule.name.eq_ignore_ascii_case(name));
        if rules.len() == before { Err(RuleError::NotFound) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str) -> Rule {
        Rule { name: name.into(), filter: Filter::True }
    }

    #[test]
    fn a_name_is_taken_once_whatever_its_case() {
        let rules = Rules::new(vec![rule(DEFAULT_RULE)]);
        assert_eq!(rules.add(rule("$default")), Err(RuleError::Exists));
        assert_eq!(rules.add(rule("vip")), Ok(()));
        assert_eq!(rules.remove("VIP"), Ok(()));
        assert_eq!(rules.remove("vip"), Err(RuleError::NotFound));
        assert_eq!(rules.list(), [rule(DEFAULT_RULE)]);
    }
}
