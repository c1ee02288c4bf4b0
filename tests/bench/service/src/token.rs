//! A SAS token that is kept until a fifth of its life is left.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

const LIFE: Duration = Duration::from_secs(3600);

pub(crate) struct Token {
    resource: &'static str,
    key_name: &'static str,
    key: &'static str,
    kept: Option<(HeaderValue, SystemTime)>,
}

impl Token {
    pub(crate) const fn new(
        resource: &'static str,
        key_name: &'static str,
        key: &'static str,
    ) -> Self {
        Self { resource, key_name, key, kept: None }
    }

    /// # Errors
    /// If the clock stands before 1970.
    pub(crate) fn current(&mut self) -> Result<HeaderValue, Box<dyn Error>> {
        let now = SystemTime::now();
        if let Some((token, until)) = &self.kept
            && now < *until
        {
            return Ok(token.clone());
        }
        let expiry = (now + LIFE).duration_since(UNIX_EPOCH)?.as_secs();
        let resource = utf8_percent_encode(self.resource, NON_ALPHANUMERIC).to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_bytes())?;
        mac.update(format!("{resource}\n{expiry}").as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
        let name = self.key_name;
        let text =
            format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={name}");
        let token = HeaderValue::from_str(&text)?;
        self.kept = Some((token.clone(), now + LIFE * 4 / 5));
        Ok(token)
    }
}
