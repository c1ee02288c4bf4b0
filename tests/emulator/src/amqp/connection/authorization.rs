//! What a connection may do: tokens that were put over `$cbs`, verified as those of HTTP are.

use crate::amqp::error::{AmqpError, condition};
use crate::amqp::node::{Address, segments};
use crate::auth::{self, Resource, Right, Signer, Trusted};
use crate::broker::Timestamp;
use crate::refusal::Refusal;

/// Tokens that a connection may have put.
const MAX_TOKENS: usize = 1000;
/// Longest token; those of Entra ID take a few kilobytes.
const MAX_TOKEN: usize = 16 * 1024;

/// The tokens of a connection.
#[derive(Default)]
pub(super) struct Tokens {
    put: Vec<Token>,
    /// Name and key of SASL PLAIN.
    key: Option<(String, Vec<u8>)>,
}

struct Token {
    /// The segments of what it was put for, in lower case.
    audience: Vec<String>,
    /// As in an `Authorization` header of HTTP.
    authorization: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("put", &self.put.len()).finish_non_exhaustive()
    }
}

impl Tokens {
    /// Keeps the name and key of SASL PLAIN. False if they are not those of a rule.
    pub(super) fn put_key(&mut self, response: &[u8], trusted: &Trusted) -> bool {
        let mut parts = response.splitn(3, |byte| *byte == 0);
        let (Some(_), Some(name), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let Ok(name) = std::str::from_utf8(name) else { return false };
        let known = trusted.keys.iter().any(|rule| rule.name == name && rule.key() == key);
        if known {
            self.key = Some((name.to_owned(), key.to_vec()));
        }
        known
    }

    /// Takes a token for an audience, if it verifies and grants anything there.
    pub(super) fn put(
        &mut self,
        audience: &str,
        token: &str,
        host: &str,
        trusted: &Trusted,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if token.len() + audience.len() > MAX_TOKEN {
            return Err(Refusal::bad_request("The token is too long."));
        }
        // The SDK for Python sends signatures under the type `jwt`.
        let authorization = if token.starts_with("SharedAccessSignature ") {
            token.to_owned()
        } else {
            format!("Bearer {token}")
        };
        let Some(path) = segments(audience) else {
            return Err(Refusal::bad_request(format!("The audience '{audience}' is invalid.")));
        };
        let address = Address::parse(audience);
        let entity = address.as_ref().map_or("", |address| &address.entity);
        let resource = Resource { host, path: &path, entity };
        let mut refused = Ok(());
        for right in [Right::Listen, Right::Send, Right::Manage] {
            refused = auth::verify(Some(&authorization), trusted, resource, right, now);
            if refused.is_ok() {
                break;
            }
        }
        // A rule may stand on an entity below the audience: .NET asks for the whole namespace.
        let missing_right = |refusal: &Refusal| refusal.detail.starts_with("Unauthorized access.");
        match refused {
            Err(refusal) if !missing_right(&refusal) || !path.is_empty() => return Err(refusal),
            _ => {}
        }
        let audience: Vec<String> = path.iter().map(|segment| segment.to_lowercase()).collect();
        self.put.retain(|other| other.audience != audience);
        if self.put.len() >= MAX_TOKENS {
            return Err(Refusal::new(429, "Too many tokens were put on this connection."));
        }
        self.put.push(Token { audience, authorization });
        Ok(())
    }

    /// Until when a right on an address is granted.
    pub(super) fn authorize(
        &self,
        address: &Address,
        right: Right,
        host: &str,
        trusted: &Trusted,
        now: Timestamp,
    ) -> Result<Timestamp, AmqpError> {
        let Address { path, entity, .. } = address;
        if let Some((name, key)) = &self.key
            && trusted.keys.iter().any(|rule| {
                rule.name == *name && rule.key() == key && rule.covers(entity) && rule.grants(right)
            })
        {
            return Ok(Timestamp::NEVER);
        }
        let resource = Resource { host, path, entity };
        let covers = |token: &&Token| {
            token.audience.len() <= path.len()
                && token.audience.iter().zip(path).all(|(own, asked)| *own == asked.to_lowercase())
        };
        let mut refused: Option<Refusal> = None;
        for token in self.put.iter().filter(covers) {
            let authorization = Some(&*token.authorization);
            match auth::verify(authorization, trusted, resource, right, now) {
                Ok(()) => {
                    let end = Signer::of(&token.authorization).expires_at;
                    return Ok(end.unwrap_or(Timestamp::NEVER));
                }
                Err(refusal) => refused = Some(refusal),
            }
        }
        Err(refused.map_or_else(
            || {
                AmqpError::new(
                    condition::UNAUTHORIZED,
                    format!(
                        "Unauthorized access. '{}' claim(s) are required to perform this \
                         operation. Resource: 'sb://{host}/{}'.",
                        right.name(),
                        path.join("/")
                    ),
                )
            },
            AmqpError::from,
        ))
    }
}
