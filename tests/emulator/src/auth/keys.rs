//! Shared access keys: who may do what where.

use std::fmt;
use std::str::FromStr;

/// What a client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Send messages.
    Send,
    /// Receive and settle messages.
    Listen,
    /// Everything.
    Manage,
}

impl Right {
    /// Microsoft's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "Send",
            Self::Listen => "Listen",
            Self::Manage => "Manage",
        }
    }
}

/// A shared access authorization rule. Its key is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRule {
    /// The rule's name, `skn` in a token.
    pub name: String,
    key: String,
    rights: Vec<Right>,
    entity: Option<String>,
}

impl KeyRule {
    /// The key that Microsoft's emulator has in its documentation.
    #[must_use]
    pub fn emulator_default() -> Self {
        Self {
            name: "RootManageSharedAccessKey".to_owned(),
            key: "SAS_KEY_VALUE".to_owned(),
            rights: vec![Right::Manage],
            entity: None,
        }
    }

    /// The bytes that sign: the key's text, never decoded.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// Whether the rule grants the right.
    #[must_use]
    pub fn grants(&self, right: Right) -> bool {
        self.rights.iter().any(|granted| *granted == right || *granted == Right::Manage)
    }

    /// Whether the rule stands on the entity or on the namespace above it.
    #[must_use]
    pub fn covers(&self, entity: &str) -> bool {
        let Some(own) = &self.entity else { return true };
        let entity = entity.to_lowercase();
        entity
            .strip_prefix(own.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Debug for KeyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, key: _, rights, entity } = self;
        f.debug_struct("KeyRule")
            .field("name", name)
            .field("rights", rights)
            .field("entity", entity)
            .finish_non_exhaustive()
    }
}

/// Why a rule could not be read; the key is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidKeyRule(String);

impl fmt::Display for InvalidKeyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidKeyRule {}

impl FromStr for KeyRule {
    type Err = InvalidKeyRule;

    /// `NAME=KEY[;rights=Send,Listen,Manage][;entity=PATH]`; without rights all of them, without
    /// an entity the whole namespace.
    fn from_str(text: &str) -> Result<Self, InvalidKeyRule> {
        let invalid = |reason: String| InvalidKeyRule(reason);
        let mut parts = text.split(';');
        let (name, key) = parts
            .next()
            .and_then(|rule| rule.split_once('='))
            .filter(|(name, key)| !name.is_empty() && !key.is_empty())
            .ok_or_else(|| invalid("expected NAME=KEY".to_owned()))?;
        let mut rule = Self {
            name: name.to_owned(),
            key: key.to_owned(),
            rights: vec![Right::Manage],
            entity: None,
        };
        for part in parts {
            match part.split_once('=') {
                Some(("rights", names)) => {
                    rule.rights = names.split(',').map(right).collect::<Result<_, _>>()?;
                }
                Some(("entity", path)) if !path.is_empty() => {
                    rule.entity = Some(path.trim_matches('/').to_lowercase());
                }
                Some((other, _)) => {
                    return Err(invalid(format!(
                        "expected rights= or entity=PATH, found {other}="
                    )));
                }
                None => return Err(invalid("expected rights= or entity=PATH".to_owned())),
            }
        }
        Ok(rule)
    }
}

fn right(name: &str) -> Result<Right, InvalidKeyRule> {
    [Right::Send, Right::Listen, Right::Manage]
        .into_iter()
        .find(|right| right.name() == name)
        .ok_or_else(|| InvalidKeyRule(format!("expected Send, Listen or Manage, found {name:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_with_its_rights_and_entity() {
        let rule: KeyRule =
            "send-only=not+base64/key==;rights=Send;entity=Dept/Orders".parse().unwrap();
        assert_eq!((&*rule.name, rule.key()), ("send-only", &b"not+base64/key=="[..]));
        assert!(rule.grants(Right::Send) && !rule.grants(Right::Listen));
        assert!(rule.covers("dept/orders") && rule.covers("Dept/Orders/subscriptions/x"));
        assert!(!rule.covers("dept/orders2") && !rule.covers("dept"));

        let all: KeyRule = "all=key".parse().unwrap();
        assert!(all.grants(Right::Send) && all.grants(Right::Listen) && all.covers("anything"));
    }

    #[test]
    fn a_wrong_rule_says_why_without_the_key() {
        for (text, reason) in [
            ("", "expected NAME=KEY"),
            ("secret", "expected NAME=KEY"),
            ("=secret", "expected NAME=KEY"),
            ("name=", "expected NAME=KEY"),
            ("name=secret;rights=Send,Write", "expected Send, Listen or Manage, found \"Write\""),
            ("name=secret;scope=x", "expected rights= or entity=PATH, found scope="),
            ("name=secret;entity=", "expected rights= or entity=PATH, found entity="),
            ("name=secret;", "expected rights= or entity=PATH"),
        ] {
            assert_eq!(text.parse::<KeyRule>().unwrap_err().to_string(), reason, "{text}");
        }
    }

    #[test]
    fn debug_does_not_show_the_key() {
        let shown = format!("{:?}", KeyRule::emulator_default());
        assert_eq!(
            shown,
            r#"KeyRule { name: "RootManageSharedAccessKey", rights: [Manage], entity: None, .. }"#
        );
    }
}
