//! Who may do what.

mod bearer;
mod keys;
mod sas;
#[cfg(test)]
mod sas_tests;
mod signer;

pub use keys::{InvalidKeyRule, KeyRule, Right};
pub use sas::{Resource, host};
pub use signer::Signer;

use crate::broker::Timestamp;
use crate::refusal::Refusal;

/// Whose tokens are taken.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    /// Shared access keys. Two of one name are a policy's primary and secondary key.
    pub keys: Vec<KeyRule>,
    /// Identities with the secret that signs their bearer tokens.
    pub identities: Vec<KeyRule>,
}

/// Verifies the `Authorization` header of a request that needs `right` on `resource`.
///
/// # Errors
/// 401 with the reason, in Azure's words as far as they are known.
pub fn verify(
    authorization: Option<&str>,
    trusted: &Trusted,
    resource: Resource<'_>,
    right: Right,
    now: Timestamp,
) -> Result<(), Refusal> {
    let scheme = authorization.and_then(|value| value.split_once(' '));
    match scheme {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => {
            bearer::verify(token, &trusted.identities, resource, right, now)
        }
        _ => sas::verify(authorization, &trusted.keys, resource, right, now),
    }
}

fn missing_right(right: Right, Resource { host, entity, .. }: Resource<'_>) -> Refusal {
    let right = right.name();
    Refusal::unauthorized(format!(
        "Unauthorized access. '{right}' claim(s) are required to perform this operation. \
         Resource: 'sb://{host}/{entity}'."
    ))
}
