//! Who signs a message.

mod connection_string;
mod sas;
mod secret;

use std::collections::BTreeMap;
use std::time::Duration;

pub use connection_string::{ConnectionString, ConnectionStringError, Endpoint};
pub use sas::{AccessKey, Token};
pub use secret::Secret;

/// Where the `authorization` header of a send comes from.
#[derive(Debug)]
pub enum Credentials {
    /// Tokens signed here, each valid for `token_ttl`.
    Sas {
        /// The shared access policy that signs.
        key: AccessKey,
        /// Life of a token.
        token_ttl: Duration,
    },
    /// A token signed elsewhere, sent as it is.
    Signature(Secret),
    /// Envoy signs on the cluster.
    Upstream,
}

/// One worker's tokens: one per entity, renewed before a fifth of its life is left.
///
/// A token is bound to its entity and not to the namespace: a key of the entity's own may sign no
/// more than that, and a token that leaks opens no other queue.
#[derive(Debug, Default)]
pub struct Tokens {
    by_entity: BTreeMap<String, Token>,
}

impl Tokens {
    /// The `authorization` header of a send, `None` when Envoy adds it.
    pub fn authorization<'a>(
        &'a mut self,
        credentials: &'a Credentials,
        namespace: &str,
        entity: &str,
        now: Duration,
    ) -> Option<&'a str> {
        match credentials {
            Credentials::Upstream => None,
            Credentials::Signature(signature) => Some(signature.expose()),
            Credentials::Sas { key, token_ttl } => {
                let fresh = self.by_entity.get(entity).is_some_and(|token| token.is_fresh(now));
                if !fresh {
                    let resource = format!("https://{namespace}/{entity}");
                    let token = key.token(&resource, now, *token_ttl);
                    self.by_entity.insert(entity.to_owned(), token);
                }
                self.by_entity.get(entity).map(Token::as_str)
            }
        }
    }

    /// Forgets an entity's token, after Service Bus has refused it.
    pub fn forget(&mut self, entity: &str) {
        self.by_entity.remove(entity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMESPACE: &str = "contoso.servicebus.windows.net";

    fn credentials() -> Credentials {
        let key = AccessKey::new("send-only", &Secret::new("not+base64/key==".to_owned()));
        Credentials::Sas { key: key.unwrap(), token_ttl: Duration::from_secs(3600) }
    }

    fn at(tokens: &mut Tokens, entity: &str, seconds: u64) -> String {
        let now = Duration::from_secs(seconds);
        tokens.authorization(&credentials(), NAMESPACE, entity, now).unwrap().to_owned()
    }

    #[test]
    fn a_token_serves_until_a_fifth_of_its_life_is_left() {
        let mut tokens = Tokens::default();
        let first = at(&mut tokens, "orders", 1_000_000);
        assert!(first.contains("se=1003600&"), "{first}");
        assert_eq!(at(&mut tokens, "orders", 1_000_000 + 2879), first);
        let second = at(&mut tokens, "orders", 1_000_000 + 2880);
        assert!(second.contains("se=1006480&"), "{second}");
    }

    #[test]
    fn each_entity_has_its_token() {
        let mut tokens = Tokens::default();
        let orders = at(&mut tokens, "orders", 1_000_000);
        let events = at(&mut tokens, "eu/events", 1_000_000);
        assert!(orders.contains("sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2Forders&"));
        assert!(events.contains("sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2Feu%2Fevents&"));
    }

    #[test]
    fn a_refused_token_is_signed_anew() {
        let mut tokens = Tokens::default();
        let first = at(&mut tokens, "orders", 1_000_000);
        tokens.forget("orders");
        assert_ne!(at(&mut tokens, "orders", 1_000_001), first);
    }

    #[test]
    fn a_clock_set_back_does_not_keep_a_token_for_longer_than_its_life() {
        let mut tokens = Tokens::default();
        let first = at(&mut tokens, "orders", 1_000_000);
        assert_ne!(at(&mut tokens, "orders", 900_000), first);
    }

    #[test]
    fn only_an_own_signature_makes_a_header() {
        let mut tokens = Tokens::default();
        let now = Duration::from_secs(1);
        let signature = Credentials::Signature(Secret::new("SharedAccessSignature x".to_owned()));
        assert_eq!(
            tokens.authorization(&signature, NAMESPACE, "orders", now),
            Some("SharedAccessSignature x")
        );
        assert_eq!(tokens.authorization(&Credentials::Upstream, NAMESPACE, "orders", now), None);
    }
}
