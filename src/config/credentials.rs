//! The `credentials` section.

use crate::route::Bound;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use super::delivery::read_duration;
use super::node::{Fields, Node};
use super::token_request;
use crate::credentials::{AccessKey, ConnectionString, Credentials, Endpoint, SasKeys, Secret};

/// Where `{"env": NAME}` finds its value.
#[derive(Clone, Copy)]
pub enum Environment<'a> {
    /// The variables that the module sees.
    Known(&'a dyn Fn(&str) -> Option<String>),
    /// Not to be had, as when a configuration is checked elsewhere: each variable counts as set.
    Unknown,
}

impl fmt::Debug for Environment<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Known(_) => "Known",
            Self::Unknown => "Unknown",
        })
    }
}

/// A value that is there, or that nobody can know here.
#[derive(PartialEq, Eq)]
pub(super) enum Found {
    Secret(Secret),
    Unknown,
}

impl Found {
    fn is_known(&self) -> bool {
        matches!(self, Self::Secret(_))
    }

    /// The secret, or what stands in for it.
    pub(super) fn secret(&self) -> Secret {
        match self {
            Self::Secret(secret) => secret.clone(),
            Self::Unknown => Secret::new(UNKNOWN.to_owned()),
        }
    }
}

/// Stands in where the environment is not known; signs nothing that is ever sent.
const UNKNOWN: &str = "unknown";
const HOUR: Duration = Duration::from_secs(3600);
/// Clocks differ by up to 15 minutes, says Microsoft.
const SHORT_TTL: Duration = Duration::from_secs(20 * 60);

pub(super) fn read(
    node: &Node<'_>,
    namespace: Option<&str>,
    environment: Environment<'_>,
) -> Option<Bound> {
    let mut fields = node.fields_secretly()?;
    let sas = fields.optional("sas");
    let connection_string = fields.optional("connection_string");
    let managed_identity = fields.optional("managed_identity");
    let client_secret = fields.optional("client_secret");
    let upstream = fields.optional("upstream");
    fields.finish();
    let kinds = [&sas, &connection_string, &managed_identity, &client_secret, &upstream];
    if kinds.into_iter().flatten().count() != 1 {
        node.error(
            "expected exactly one of sas, connection_string, managed_identity, client_secret, \
             upstream",
        );
        return None;
    }
    if let Some(node) = managed_identity {
        let request = token_request::read_managed_identity(&node, environment)?;
        return Some(Credentials::Fetched(Rc::new(request)).into());
    }
    if let Some(node) = client_secret {
        let request = token_request::read_client_secret(&node, environment)?;
        return Some(Credentials::Fetched(Rc::new(request)).into());
    }
    if let Some(node) = sas {
        return read_sas(&node, environment).map(Bound::from);
    }
    if let Some(node) = connection_string {
        return read_connection_string(&node, namespace, environment);
    }
    upstream?.fields_secretly()?.finish();
    Some(Credentials::Upstream.into())
}

fn read_sas(node: &Node<'_>, environment: Environment<'_>) -> Option<Credentials> {
    let mut fields = node.fields_secretly()?;
    let name = fields.required("key_name").and_then(|node| node.filled_text());
    let key = fields.required("key").and_then(|node| read_secret(&node, environment));
    let secondary = fields
        .optional("secondary_key")
        .map_or(Some(None), |node| read_secret(&node, environment).map(Some));
    let token_ttl = read_token_ttl(&mut fields);
    fields.finish();
    let (name, key, secondary) = (name?, key?, secondary?);
    if secondary.as_ref().is_some_and(|secondary| *secondary == key) && key.is_known() {
        node.warn("secondary_key is the same as key, so it cannot take its place");
    }
    let ready = |found: &Found| AccessKey::new(name, &found.secret());
    let secondary = match &secondary {
        None => Some(None),
        Some(found) => ready(found).map(Some),
    };
    let (Some(primary), Some(secondary)) = (ready(&key), secondary) else {
        node.error("key_name and key must be 1 to 256 characters long");
        return None;
    };
    Some(Credentials::Sas(Rc::new(SasKeys { primary, secondary, token_ttl: token_ttl? })))
}

fn read_token_ttl(fields: &mut Fields<'_>) -> Option<Duration> {
    let Some(node) = fields.optional("token_ttl") else { return Some(HOUR) };
    let range = Duration::from_secs(5)..=Duration::from_secs(365 * 24 * 3600);
    let ttl = read_duration(&node, range)?;
    if ttl < SHORT_TTL {
        node.warn("is shorter than 20m: a clock that is off by 15 minutes makes tokens invalid");
    }
    Some(ttl)
}

fn read_connection_string(
    node: &Node<'_>,
    namespace: Option<&str>,
    environment: Environment<'_>,
) -> Option<Bound> {
    let text = match read_secret(node, environment)? {
        Found::Secret(text) => text,
        // Most have a key.
        Found::Unknown => {
            let primary = AccessKey::new(UNKNOWN, &Secret::new(UNKNOWN.to_owned()))?;
            let keys = SasKeys { primary, secondary: None, token_ttl: HOUR };
            return Some(Credentials::Sas(Rc::new(keys)).into());
        }
    };
    let read = match ConnectionString::parse(text.expose()) {
        Ok(read) => read,
        Err(error) => {
            node.error(format!("not a connection string: {error}"));
            return None;
        }
    };
    if let Some(namespace) = namespace
        && namespace != read.host
    {
        node.error(format!(
            "is for the namespace {:?}, but `namespace` is {namespace:?}",
            read.host
        ));
        return None;
    }
    let credentials = match read.endpoint {
        Endpoint::Key(primary) => {
            Credentials::Sas(Rc::new(SasKeys { primary, secondary: None, token_ttl: HOUR }))
        }
        Endpoint::Signature(signature) => Credentials::Signature(Rc::new(signature)),
    };
    let credentials = Rc::new(credentials);
    Some(Bound { credentials, host: Some(read.host), entity_path: read.entity_path })
}

pub(super) fn read_secret(node: &Node<'_>, environment: Environment<'_>) -> Option<Found> {
    const FORM: &str = "{\"env\": NAME} or {\"inline\": SECRET}";
    if !node.is_object() {
        node.expected_secretly(FORM);
        return None;
    }
    let mut fields = node.fields()?;
    let variable = fields.optional("env");
    let inline = fields.optional("inline");
    fields.finish();
    match (variable, inline) {
        (Some(node), None) => read_variable(&node, environment),
        (None, Some(inline)) => {
            let Some(text) = inline.text_quietly() else {
                inline.expected_secretly("a string");
                return None;
            };
            inline.warn(
                "is shown to anyone who can read the configuration or Envoy's /config_dump; \
                 use {\"env\": NAME}",
            );
            Some(Found::Secret(Secret::new(text.to_owned())))
        }
        _ => {
            node.expected_secretly(FORM);
            None
        }
    }
}

fn read_variable(node: &Node<'_>, environment: Environment<'_>) -> Option<Found> {
    let name = node.text_quietly().unwrap_or_default();
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(letter) || !name.chars().all(|c| letter(c) || c.is_ascii_digit()) {
        // What stands here may be the secret itself.
        node.error("expected the name of an environment variable");
        return None;
    }
    let Environment::Known(variable) = environment else { return Some(Found::Unknown) };
    let value = variable(name).unwrap_or_default();
    let trimmed = value.trim();
    if trimmed.is_empty() {
        node.error(format!(
            "the environment variable {name} is not set for the module; name it in \
             vm_config.environment_variables.host_env_keys"
        ));
        return None;
    }
    if trimmed.len() != value.len() {
        node.warn(format!("white space around the value of {name} is left out"));
    }
    Some(Found::Secret(Secret::new(trimmed.to_owned())))
}
