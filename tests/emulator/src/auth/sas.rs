//! Shared access signatures. The signature is verified over the literal text of `sr`, so that
//! every spelling of a URI holds if the same spelling was signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::percent_decode_str;
use sha2::Sha256;

use super::keys::{KeyRule, Right};
use crate::broker::Timestamp;
use crate::refusal::Refusal;

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub struct Resource<'a> {
    /// Host that the client asked for, without port.
    pub host: &'a str,
    /// Segments of the path, decoded.
    pub path: &'a [String],
    /// Path of the entity, without `/messages` and what follows.
    pub entity: &'a str,
}

struct Token<'a> {
    resource: &'a str,
    signature: Vec<u8>,
    expiry: &'a str,
    expires_at: Timestamp,
    key_name: String,
}

/// Verifies the `Authorization` header of a request that needs `right` on `resource`.
///
/// # Errors
/// 401 with the reason, in Azure's words as far as they are known.
pub(super) fn verify(
    authorization: Option<&str>,
    rules: &[KeyRule],
    resource: Resource<'_>,
    right: Right,
    now: Timestamp,
) -> Result<(), Refusal> {
    let Resource { host, entity, .. } = resource;
    let Some(authorization) = authorization else {
        return Err(Refusal::unauthorized(format!(
            "40102: Missing authorization token, Resource:sb://{host}/{entity}."
        )));
    };
    let token = parse(authorization)
        .map_err(|reason| Refusal::unauthorized(format!("MalformedToken: {reason}.")))?;

    let in_scope = |rule: &&KeyRule| rule.name == token.key_name && rule.covers(entity);
    let signed = |rule: &&KeyRule| token.is_signed_with(rule.key());
    // Not `find`: a rule that would do is not to be hidden by another one of its name.
    let signers: Vec<_> = rules.iter().filter(in_scope).filter(signed).collect();
    if signers.is_empty() {
        return Err(Refusal::unauthorized(format!(
            "40103: Invalid authorization token signature, Resource:sb://{host}/{entity}."
        )));
    }
    if token.expires_at <= now {
        return Err(Refusal::unauthorized(format!(
            "ExpiredToken: The token is expired. Expiration time: '{}Z'.",
            token.expires_at.to_iso8601()
        )));
    }
    if !covers(token.resource, resource) {
        return Err(Refusal::unauthorized(
            "InvalidAudience: The authorization header contains a token with a wrong audience.",
        ));
    }
    if !signers.iter().any(|rule| rule.grants(right)) {
        return Err(super::missing_right(right, resource));
    }
    Ok(())
}

/// The key that a token names and when the token ends; nothing of it is verified.
pub(super) fn claims(authorization: &str) -> Option<(String, Timestamp)> {
    parse(authorization).ok().map(|token| (token.key_name, token.expires_at))
}

impl Token<'_> {
    fn is_signed_with(&self, key: &[u8]) -> bool {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
        mac.update(self.resource.as_bytes());
        mac.update(b"\n");
        mac.update(self.expiry.as_bytes());
        // Compares in constant time.
        mac.verify_slice(&self.signature).is_ok()
    }
}

fn parse(authorization: &str) -> Result<Token<'_>, &'static str> {
    let parameters = match authorization.split_once(' ') {
        Some(("SharedAccessSignature", rest)) => rest,
        _ => return Err("the authorization header is no SharedAccessSignature"),
    };
    let [mut sr, mut sig, mut se, mut skn] = [None; 4];
    for parameter in parameters.split('&') {
        let (name, value) = parameter.split_once('=').ok_or("a parameter has no value")?;
        let slot = match name {
            "sr" => &mut sr,
            "sig" => &mut sig,
            "se" => &mut se,
            "skn" => &mut skn,
            _ => return Err("only sr, sig, se and skn are parameters of the token"),
        };
        if slot.replace(value).is_some() {
            return Err("a parameter is given twice");
        }
    }
    let resource = sr.ok_or("sr is missing")?;
    let signature = decode(sig.ok_or("sig is missing")?).ok_or("sig is not percent-encoded")?;
    let expiry = se.ok_or("se is missing")?;
    if expiry.is_empty() || !expiry.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("se is no number of seconds");
    }
    Ok(Token {
        resource,
        signature: STANDARD.decode(signature).map_err(|_| "sig is not base64")?,
        expiry,
        expires_at: Timestamp::from_unix_seconds(
            expiry.parse().map_err(|_| "se is no number of seconds")?,
        ),
        key_name: decode(skn.ok_or("skn is missing")?).ok_or("skn is not percent-encoded")?,
    })
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// Whether the signed URI is the resource or stands above it. Scheme, port and query are free.
fn covers(signed: &str, resource: Resource<'_>) -> bool {
    let Some(uri) = decode(signed) else { return false };
    let Some((scheme, rest)) = uri.split_once("://") else { return false };
    if !["https", "http", "sb", "amqp", "amqps"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return false;
    }
    let rest = rest.split('?').next().unwrap_or(rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !host(authority).eq_ignore_ascii_case(resource.host) {
        return false;
    }
    let mut wanted = resource.path.iter();
    path.split('/').filter(|segment| !segment.is_empty()).all(|segment| {
        let segment = decode(segment).map(|segment| segment.to_lowercase());
        wanted.next().map(|wanted| wanted.to_lowercase()) == segment
    })
}

/// The host of `host:port`. Microsoft's older clients add a port of their own to one that the
/// host has already.
#[must_use]
pub fn host(authority: &str) -> &str {
    let end = match authority.rfind(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    authority.get(..end).unwrap_or(authority)
}
