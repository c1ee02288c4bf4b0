//! Connection strings as the Azure portal gives them out.

use std::fmt;

use super::{AccessKey, Secret};
use crate::text::is_visible_ascii;

/// A connection string, read.
#[derive(Debug)]
pub struct ConnectionString {
    /// Host of the namespace, lower case, with a port where there is one.
    pub host: String,
    /// What signs.
    pub endpoint: Endpoint,
    /// The only entity that the key opens, where one is named.
    pub entity_path: Option<String>,
}

/// The two ways in which a connection string proves its right.
#[derive(Debug)]
pub enum Endpoint {
    /// `SharedAccessKeyName` and `SharedAccessKey`.
    Key(AccessKey),
    /// `SharedAccessSignature`, signed elsewhere.
    Signature(Secret),
}

/// What is wrong with a connection string; holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStringError {
    /// A part has no `=`.
    NotPairs,
    /// A key stands twice.
    Repeated(&'static str),
    /// A key is missing.
    Missing(&'static str),
    /// `Endpoint` is not `sb://HOST/`.
    Endpoint,
    /// A name or key is empty or too long.
    KeyLength,
    /// `SharedAccessKey` and `SharedAccessSignature` stand side by side.
    TwoProofs,
    /// The signature cannot be a header.
    Signature,
}

impl fmt::Display for ConnectionStringError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPairs => formatter.write_str("a part is not of the form Name=Value"),
            Self::Repeated(key) => write!(formatter, "{key} stands twice"),
            Self::Missing(key) => write!(formatter, "{key} is missing"),
            Self::Endpoint => formatter.write_str("Endpoint is not of the form sb://HOST/"),
            Self::KeyLength => formatter.write_str(
                "SharedAccessKeyName and SharedAccessKey must be 1 to 256 characters long",
            ),
            Self::TwoProofs => {
                formatter.write_str("SharedAccessKey and SharedAccessSignature exclude each other")
            }
            Self::Signature => {
                formatter.write_str("SharedAccessSignature must be visible ASCII characters")
            }
        }
    }
}

impl std::error::Error for ConnectionStringError {}

const ENDPOINT: &str = "Endpoint";
const ENTITY_PATH: &str = "EntityPath";
const KEY: &str = "SharedAccessKey";
const KEY_NAME: &str = "SharedAccessKeyName";
const SIGNATURE: &str = "SharedAccessSignature";
const KEYS: [&str; 5] = [ENDPOINT, ENTITY_PATH, KEY, KEY_NAME, SIGNATURE];

impl ConnectionString {
    /// Reads a connection string. Keys are of any case, `HostName` stands for `Endpoint`, and
    /// what has no meaning over HTTP, such as `TransportType`, is passed over.
    ///
    /// # Errors
    /// When it is not one; the error holds no part of it.
    pub fn parse(text: &str) -> Result<Self, ConnectionStringError> {
        let mut values: [Option<&str>; KEYS.len()] = [None; KEYS.len()];
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            // Only the first `=`: keys end in some.
            let (name, value) = part.split_once('=').ok_or(ConnectionStringError::NotPairs)?;
            let name = if name.eq_ignore_ascii_case("HostName") { ENDPOINT } else { name };
            for (key, slot) in KEYS.into_iter().zip(&mut values) {
                if name.eq_ignore_ascii_case(key) && slot.replace(value).is_some() {
                    return Err(ConnectionStringError::Repeated(key));
                }
            }
        }
        let [endpoint, entity_path, key, key_name, signature] = values;
        let host = host(endpoint.ok_or(ConnectionStringError::Missing(ENDPOINT))?)
            .ok_or(ConnectionStringError::Endpoint)?;
        let endpoint = match (key_name, key, signature) {
            (None, None, Some(signature)) => Endpoint::Signature(check_signature(signature)?),
            (_, _, Some(_)) => return Err(ConnectionStringError::TwoProofs),
            (Some(name), Some(key), None) => AccessKey::new(name, &Secret::new(key.to_owned()))
                .map(Endpoint::Key)
                .ok_or(ConnectionStringError::KeyLength)?,
            (None, _, None) => return Err(ConnectionStringError::Missing(KEY_NAME)),
            (Some(_), None, None) => return Err(ConnectionStringError::Missing(KEY)),
        };
        let entity_path = entity_path.filter(|path| !path.is_empty()).map(str::to_owned);
        Ok(Self { host, endpoint, entity_path })
    }
}

fn host(endpoint: &str) -> Option<String> {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, host)| host);
    let host = host.strip_suffix('/').unwrap_or(host);
    (!host.is_empty() && !host.contains('/')).then(|| host.to_ascii_lowercase())
}

fn check_signature(signature: &str) -> Result<Secret, ConnectionStringError> {
    if signature.is_empty() || !is_visible_ascii(signature) {
        return Err(ConnectionStringError::Signature);
    }
    Ok(Secret::new(signature.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_portals_form_is_read() {
        let text = "Endpoint=sb://Contoso.servicebus.windows.net/;\
                    SharedAccessKeyName=send-only;SharedAccessKey=not+base64/key==";
        let read = ConnectionString::parse(text).unwrap();
        assert_eq!(read.host, "contoso.servicebus.windows.net");
        assert_eq!(read.entity_path, None);
        let Endpoint::Key(key) = read.endpoint else { panic!("a key") };
        // The trailing `=` of the key belongs to it: this is the second known vector.
        assert!(
            key.sign("https://contoso.servicebus.windows.net/", 2_000_000_000)
                .contains("sig=0HdkaRm5fM%2ByBh4lVzrNN5IdrKeRCcliE8t26a6o6rw%3D")
        );
    }

    #[test]
    fn keys_are_of_any_case_and_what_has_no_meaning_here_is_passed_over() {
        let text = " hostname=localhost:5380 ;sharedaccesskeyname=a; SHAREDACCESSKEY=b;\
                    entitypath=eu/orders;UseDevelopmentEmulator=true;TransportType=Amqp; ";
        let read = ConnectionString::parse(text).unwrap();
        assert_eq!(read.host, "localhost:5380");
        assert_eq!(read.entity_path.as_deref(), Some("eu/orders"));
    }

    #[test]
    fn a_signature_is_taken_as_it_is() {
        let text = "Endpoint=sb://a.b/;SharedAccessSignature=SharedAccessSignature sr=x&sig=y%3D";
        let read = ConnectionString::parse(text).unwrap();
        let Endpoint::Signature(signature) = read.endpoint else { panic!("a signature") };
        assert_eq!(signature.expose(), "SharedAccessSignature sr=x&sig=y%3D");
    }

    #[test]
    fn mistakes_are_named_without_showing_the_string() {
        let key = "k".repeat(257);
        let long = format!("Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey={key}");
        let cases = [
            ("canary", "a part is not of the form Name=Value"),
            ("SharedAccessKeyName=n;SharedAccessKey=canary", "Endpoint is missing"),
            ("Endpoint=sb://a/;Endpoint=sb://b/", "Endpoint stands twice"),
            ("Endpoint=sb:///;SharedAccessKey=k", "Endpoint is not of the form sb://HOST/"),
            ("Endpoint=sb://a/b/;SharedAccessKey=k", "Endpoint is not of the form sb://HOST/"),
            ("Endpoint=sb://a/;SharedAccessKey=canary", "SharedAccessKeyName is missing"),
            ("Endpoint=sb://a/", "SharedAccessKeyName is missing"),
            ("Endpoint=sb://a/;SharedAccessKeyName=n", "SharedAccessKey is missing"),
            (
                "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=",
                "SharedAccessKeyName and SharedAccessKey must be 1 to 256 characters long",
            ),
            (&long, "SharedAccessKeyName and SharedAccessKey must be 1 to 256 characters long"),
            (
                "Endpoint=sb://a/;SharedAccessKey=canary;SharedAccessSignature=s",
                "SharedAccessKey and SharedAccessSignature exclude each other",
            ),
            (
                "Endpoint=sb://a/;SharedAccessSignature=a\nb",
                "SharedAccessSignature must be visible ASCII characters",
            ),
        ];
        for (text, message) in cases {
            let error = ConnectionString::parse(text).unwrap_err().to_string();
            assert_eq!(error, message, "{text}");
        }
    }
}
