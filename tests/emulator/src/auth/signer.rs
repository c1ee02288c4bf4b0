//! What of an `Authorization` header may be shown: never the signature, and of a header that is no
//! token nothing at all, since it may be a secret in the wrong place.

use super::{bearer, sas};
use crate::broker::Timestamp;

/// Who a token says has signed it. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// `SharedAccessSignature`, `Bearer` or `unknown`.
    pub kind: &'static str,
    /// The name of the key, or the object id of the identity.
    pub name: Option<String>,
    /// When the token ends.
    pub expires_at: Option<Timestamp>,
}

impl Signer {
    /// Reads the value of an `Authorization` header.
    #[must_use]
    pub fn of(authorization: &str) -> Self {
        let (scheme, token) = authorization.split_once(' ').unwrap_or((authorization, ""));
        let (kind, claims) = if scheme.eq_ignore_ascii_case("Bearer") {
            ("Bearer", bearer::claims(token))
        } else if scheme == "SharedAccessSignature" {
            ("SharedAccessSignature", sas::claims(authorization))
        } else {
            ("unknown", None)
        };
        let (name, expires_at) = claims.unzip();
        Self { kind, name, expires_at }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn signer(kind: &'static str, name: &str, expires_at: u64) -> Signer {
        let expires_at = Some(Timestamp::from_unix_seconds(expires_at));
        Signer { kind, name: Some(name.to_owned()), expires_at }
    }

    #[test]
    fn a_token_names_its_key_or_identity() {
        let sas = "SharedAccessSignature sr=https%3A%2F%2Fh%2Fq&sig=c2VjcmV0&se=77&skn=send%20only";
        assert_eq!(Signer::of(sas), signer("SharedAccessSignature", "send only", 77));
        let claims = r#"{"aud":"a","oid":"sender","nbf":1,"exp":78}"#;
        let bearer = format!("bearer e30.{}.c2VjcmV0", URL_SAFE_NO_PAD.encode(claims));
        assert_eq!(Signer::of(&bearer), signer("Bearer", "sender", 78));
    }

    #[test]
    fn nothing_is_shown_of_what_is_no_token() {
        for (text, kind) in [
            ("SharedAccessSignature secret", "SharedAccessSignature"),
            ("SharedAccessSignature skn=secret&se=1", "SharedAccessSignature"),
            ("Bearer secret", "Bearer"),
            ("Bearer a.secret.b", "Bearer"),
            ("Basic c2VjcmV0", "unknown"),
            ("secret", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(Signer::of(text), Signer { kind, name: None, expires_at: None }, "{text}");
        }
    }
}
