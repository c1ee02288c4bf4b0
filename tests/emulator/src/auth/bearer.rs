//! Bearer tokens: JSON Web Tokens as Entra ID gives them, but signed with a secret that the
//! emulator knows (HS256), since it has no way to Entra ID's keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use super::keys::{KeyRule, Right};
use super::sas::Resource;
use crate::broker::Timestamp;
use crate::refusal::Refusal;

/// What a token for Service Bus is for; both spellings are seen.
const AUDIENCES: [&str; 2] = ["https://servicebus.azure.net", "https://servicebus.azure.net/"];

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    oid: String,
    nbf: u64,
    exp: u64,
}

/// Verifies a token. `rules` name the identities: the object id, the secret that signs, and what
/// its role allows where.
pub(super) fn verify(
    token: &str,
    rules: &[KeyRule],
    resource: Resource<'_>,
    right: Right,
    now: Timestamp,
) -> Result<(), Refusal> {
    let malformed = |reason: &str| Refusal::unauthorized(format!("MalformedToken: {reason}."));
    let (signed, signature) = token.rsplit_once('.').ok_or_else(|| malformed("it is no JWT"))?;
    let (header, claims) = signed.split_once('.').ok_or_else(|| malformed("it is no JWT"))?;
    let header: Header =
        part(header).ok_or_else(|| malformed("its header is no JSON in base64url"))?;
    if header.alg != "HS256" {
        return Err(malformed("it is not signed with HS256"));
    }
    let claims: Claims =
        part(claims).ok_or_else(|| malformed("its claims lack one of aud, oid, nbf, exp"))?;
    let signature = URL_SAFE_NO_PAD
        .decode(signature)
        .map_err(|_| malformed("its signature is not base64url"))?;
    let signs = |rule: &&KeyRule| rule.name == claims.oid && is_signed(signed, rule, &signature);
    let signers: Vec<_> = rules.iter().filter(signs).collect();
    if signers.is_empty() {
        return Err(Refusal::unauthorized("InvalidSignature: The token has an invalid signature."));
    }
    if Timestamp::from_unix_seconds(claims.exp) <= now {
        return Err(Refusal::unauthorized("ExpiredToken: The token is expired."));
    }
    if Timestamp::from_unix_seconds(claims.nbf) > now {
        return Err(Refusal::unauthorized("NotYetValid: The token is not valid yet."));
    }
    if !AUDIENCES.contains(&claims.aud.as_str()) {
        return Err(Refusal::unauthorized(
            "InvalidAudience: The authorization header contains a token with a wrong audience.",
        ));
    }
    if !signers.iter().any(|rule| rule.covers(resource.entity) && rule.grants(right)) {
        return Err(super::missing_right(right, resource));
    }
    Ok(())
}

/// The identity that a token names and when the token ends; nothing of it is verified.
pub(super) fn claims(token: &str) -> Option<(String, Timestamp)> {
    let (_, rest) = token.split_once('.')?;
    let claims: Claims = part(rest.split_once('.')?.0)?;
    Some((claims.oid, Timestamp::from_unix_seconds(claims.exp)))
}

fn part<T: for<'a> Deserialize<'a>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

fn is_signed(signed: &str, rule: &KeyRule, signature: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(rule.key()) else { return false };
    mac.update(signed.as_bytes());
    // Compares in constant time.
    mac.verify_slice(signature).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn token(header: &Value, claims: &Value, key: &str) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        mac.update(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    fn check(token: &str, entity: &str, right: Right) -> Result<(), Refusal> {
        let rules = ["sender=secret;rights=Send;entity=orders", "all=other"];
        let rules: Vec<KeyRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let path = [entity.to_owned(), "messages".to_owned()];
        let resource = Resource { host: "contoso.servicebus.windows.net", path: &path, entity };
        verify(token, &rules, resource, right, Timestamp::from_unix_seconds(1000))
    }

    fn claims(change: Value) -> Value {
        let mut claims = json!({
            "aud": "https://servicebus.azure.net", "oid": "sender", "nbf": 1000, "exp": 1001
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    #[test]
    fn a_token_of_a_known_identity_verifies() {
        let header = json!({"alg": "HS256", "typ": "JWT"});
        let ours = |change| token(&header, &claims(change), "secret");
        let slash = json!({"aud": "https://servicebus.azure.net/"});
        assert_eq!(check(&ours(json!({})), "orders", Right::Send), Ok(()));
        assert_eq!(check(&ours(slash), "Orders", Right::Send), Ok(()));
        let all = token(&header, &claims(json!({"oid": "all"})), "other");
        assert_eq!(check(&all, "events", Right::Listen), Ok(()));
    }

    #[test]
    fn anything_else_is_refused() {
        let header = json!({"alg": "HS256"});
        let signature = "InvalidSignature: The token has an invalid signature.";
        let right = |right: &str, entity: &str| {
            format!(
                "Unauthorized access. '{right}' claim(s) are required to perform this operation. \
                 Resource: 'sb://contoso.servicebus.windows.net/{entity}'."
            )
        };
        let cases = [
            (json!({"exp": 1000}), "ExpiredToken: The token is expired.".to_owned()),
            (json!({"nbf": 1001}), "NotYetValid: The token is not valid yet.".to_owned()),
            (
                json!({"aud": "https://vault.azure.net"}),
                "InvalidAudience: The authorization header contains a token with a wrong audience."
                    .to_owned(),
            ),
            (json!({"oid": "all"}), signature.to_owned()),
            (
                json!({"oid": 7}),
                "MalformedToken: its claims lack one of aud, oid, nbf, exp.".to_owned(),
            ),
        ];
        for (change, detail) in cases {
            let token = token(&header, &claims(change), "secret");
            assert_eq!(check(&token, "orders", Right::Send), Err(Refusal::unauthorized(detail)));
        }
        let good = token(&header, &claims(json!({})), "secret");
        for (entity, wanted) in [("events", Right::Send), ("orders", Right::Listen)] {
            let refused = Refusal::unauthorized(right(wanted.name(), entity));
            assert_eq!(check(&good, entity, wanted), Err(refused));
        }
        let none = token(&json!({"alg": "none"}), &claims(json!({})), "secret");
        let reason = "MalformedToken: it is not signed with HS256.";
        assert_eq!(check(&none, "orders", Right::Send), Err(Refusal::unauthorized(reason)));
        for text in ["", "a", "a.b"] {
            assert!(check(text, "orders", Right::Send).is_err());
        }
    }
}
