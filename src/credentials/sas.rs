//! Shared access signatures.
//!
//! The broker checks the signature over the literal `sr` text, so the text that is signed is the
//! text that is sent. The key's own characters are the HMAC key: Microsoft's clients do not decode
//! its base64, nor may we.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Secret;
use crate::text::percent_encode;

/// Longest name and longest key of a shared access policy, in characters.
const MAX_CHARS: usize = 256;

/// The key of a shared access policy, ready to sign.
#[derive(Clone)]
pub struct AccessKey {
    name: String,
    mac: Hmac<Sha256>,
}

impl AccessKey {
    /// Prepares a key; `None` when name or key is empty or longer than 256 characters.
    pub fn new(name: &str, key: &Secret) -> Option<Self> {
        let fits = |text: &str| (1..=MAX_CHARS).contains(&text.chars().count());
        if !fits(name) || !fits(key.expose()) {
            return None;
        }
        let mac = Hmac::new_from_slice(key.expose().as_bytes()).ok()?;
        Some(Self { name: name.to_owned(), mac })
    }

    /// Signs a token for all that lies under `resource`, an `https://` URI, for a broker whose
    /// clock is `ahead` of `now`.
    pub fn token(&self, resource: &str, now: Duration, ahead: Duration, ttl: Duration) -> Token {
        let expires = now.saturating_add(ahead).saturating_add(ttl).as_secs();
        let left = ttl / 5;
        Token {
            text: self.sign(resource, expires).into(),
            issued_at: now,
            renew_at: now.saturating_add(ttl.saturating_sub(left)),
        }
    }

    /// The token text that expires at `expires`, in seconds since the Unix epoch.
    pub fn sign(&self, resource: &str, expires: u64) -> String {
        let resource = percent_encode(resource);
        let mut mac = self.mac.clone();
        mac.update(format!("{resource}\n{expires}").as_bytes());
        let signature = percent_encode(&STANDARD.encode(mac.finalize().into_bytes())).to_string();
        let name = percent_encode(&self.name);
        format!("SharedAccessSignature sr={resource}&sig={signature}&se={expires}&skn={name}")
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AccessKey").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The keys of a shared access policy.
#[derive(Debug)]
pub struct SasKeys {
    /// Signs, until Service Bus refuses it.
    pub primary: AccessKey,
    /// Signs then.
    pub secondary: Option<AccessKey>,
    /// Lifetime of a token.
    pub token_ttl: Duration,
}

/// A signed token with its time of renewal.
#[derive(Clone)]
pub struct Token {
    text: Rc<str>,
    issued_at: Duration,
    renew_at: Duration,
}

impl Token {
    /// The value of the `authorization` header.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As [`Token::as_str`], to be kept for a while.
    pub fn share(&self) -> Rc<str> {
        Rc::clone(&self.text)
    }

    /// Whether more than a fifth of its lifetime is left. A clock that was set back before the time of
    /// issue makes it stale: its `se` may by now lie further ahead than a token should live.
    pub fn is_fresh(&self, now: Duration) -> bool {
        (self.issued_at..self.renew_at).contains(&now)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Token").field("renew_at", &self.renew_at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(uri: &str, name: &str, key: &str, expiry: u64) -> String {
        AccessKey::new(name, &Secret::new(key.to_owned())).unwrap().sign(uri, expiry)
    }

    /// Computed with Microsoft's own clients: the AMQP core package for JavaScript (all three) and
    /// the current Python package (the first two agree).
    #[test]
    fn tokens_are_those_of_microsofts_clients() {
        assert_eq!(
            sign(
                "https://contoso.servicebus.windows.net/orders/messages",
                "RootManageSharedAccessKey",
                "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
                1_893_456_000
            ),
            "SharedAccessSignature \
             sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2Forders%2Fmessages\
             &sig=il6W0K7oSpKnfA9TjpTZdn7Zlpcu4Z0Jy89GVUapm14%3D\
             &se=1893456000&skn=RootManageSharedAccessKey"
        );
        assert_eq!(
            sign(
                "https://contoso.servicebus.windows.net/",
                "send-only",
                "not+base64/key==",
                2_000_000_000
            ),
            "SharedAccessSignature sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2F\
             &sig=0HdkaRm5fM%2ByBh4lVzrNN5IdrKeRCcliE8t26a6o6rw%3D&se=2000000000&skn=send-only"
        );
        assert_eq!(
            sign(
                "sb://My-NS.servicebus.windows.net/Dept A/orders~v1.2",
                "Key Name+1",
                "kéy-日本",
                4_102_444_800
            ),
            "SharedAccessSignature sr=sb%3A%2F%2FMy-NS.servicebus.windows.net%2FDept%20A%2F\
             orders~v1.2&sig=C%2BIzA16khtZ9OtlCtbmjC%2F4G6GMA5z84aidGfqoCfuo%3D\
             &se=4102444800&skn=Key%20Name%2B1"
        );
    }

    #[test]
    fn names_and_keys_have_a_length() {
        let longest = "k".repeat(256);
        let too_long = "k".repeat(257);
        let key = |name: &str, key: &str| AccessKey::new(name, &Secret::new(key.to_owned()));
        assert!(key(&longest, &longest).is_some());
        assert!(key(&too_long, "key").is_none());
        assert!(key("name", &too_long).is_none());
        assert!(key("", "key").is_none());
        assert!(key("name", "").is_none());
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = AccessKey::new("send-only", &Secret::new("canary".to_owned())).unwrap();
        let token =
            key.token("https://a/b", Duration::ZERO, Duration::ZERO, Duration::from_secs(5));
        let shown = format!("{key:?} {token:?} {:?}", Secret::new("canary".to_owned()));
        assert_eq!(
            shown,
            "AccessKey { name: \"send-only\", .. } Token { renew_at: 4s, .. } Secret(hidden)"
        );
    }
}
