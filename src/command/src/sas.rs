//! `sas`: a token for requests that an operator makes by hand.

use std::time::Duration;

use clap::{ArgGroup, Args};
use envoy_service_bus::credentials::{AccessKey, ConnectionString, Endpoint, Secret};
use envoy_service_bus::message::Entity;
use serde_json::json;

use crate::output::{Completion, Failure, print};
use crate::time;

/// Prints a shared access signature for a queue or topic.
///
/// The key is read from an environment variable and never shown. The token opens the entity until
/// it expires: treat it as a secret.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("proof").required(true).args(["key_env", "connection_string_env"])),
    after_help = "Example:\n  \
        curl -X POST -d '{}' https://contoso.servicebus.windows.net/orders/messages \\\n    \
        -H \"authorization: $(envoy-service-bus sas --entity orders \\\n      \
        --connection-string-env SB_CONNECTION_STRING)\""
)]
pub(crate) struct Options {
    /// Host of the namespace; a connection string names it itself.
    #[arg(long, required_unless_present = "connection_string_env", value_parser = host)]
    namespace: Option<String>,
    /// Queue or topic.
    #[arg(long)]
    entity: String,
    /// Name of the shared access policy.
    #[arg(long, requires = "key_env", required_unless_present = "connection_string_env")]
    key_name: Option<String>,
    /// Environment variable that holds the policy's key.
    #[arg(long, value_name = "VAR")]
    key_env: Option<String>,
    /// Environment variable that holds a connection string.
    #[arg(long, value_name = "VAR")]
    connection_string_env: Option<String>,
    /// How long the token is valid.
    #[arg(long, default_value = "1h", value_parser = time::read_duration)]
    ttl: Duration,
    /// Count from this time instead of now.
    #[arg(long, value_name = "RFC3339", value_parser = time::read)]
    now: Option<Duration>,
}

fn host(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b)) {
        return Err("expected a host such as contoso.servicebus.windows.net".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

/// Prints the token.
pub(crate) fn execute(options: &Options, as_json: bool) -> Result<Completion, Failure> {
    let signed = sign(options, |name| std::env::var(name).ok())?;
    let token = &signed.token;
    print(&match as_json {
        true => format!(
            "{}\n",
            json!({"token": token, "resource": signed.resource, "expires": signed.expires})
        ),
        false => format!("{token}\n"),
    })?;
    Ok(Completion::Clean)
}

struct Signed {
    token: String,
    resource: String,
    /// In seconds since the Unix epoch; `None` for a token that was signed elsewhere.
    expires: Option<u64>,
}

fn sign(options: &Options, variable: impl Fn(&str) -> Option<String>) -> Result<Signed, Failure> {
    let fail = |text: &str| Failure(text.to_owned());
    let secret = |name: &str| match variable(name) {
        Some(value) if !value.trim().is_empty() => Ok(value.trim().to_owned()),
        _ => Err(Failure(format!("the environment variable {name} is not set"))),
    };
    let Some(entity) = Entity::new(&options.entity) else {
        return Err(fail(
            "--entity: expected a path of 1 to 260 letters, digits, . - _ and /, with a letter or \
             digit at each end",
        ));
    };
    let namespace = options.namespace.clone();
    let (host, endpoint) = match (&options.key_env, &options.connection_string_env) {
        (Some(name), _) => {
            let key = Secret::new(secret(name)?);
            let key_name = options.key_name.as_deref().unwrap_or_default();
            let key = AccessKey::new(key_name, &key)
                .ok_or_else(|| fail("--key-name and the key must be 1 to 256 characters long"))?;
            (namespace.unwrap_or_default(), Endpoint::Key(key))
        }
        (None, Some(name)) => {
            let read = ConnectionString::parse(&secret(name)?)
                .map_err(|error| Failure(format!("{name} is not a connection string: {error}")))?;
            if let Some(other) = namespace.filter(|other| *other != read.host) {
                let host = read.host;
                return Err(Failure(format!("{name} is for {host:?}, not for {other:?}")));
            }
            let only = read.entity_path.filter(|only| !only.eq_ignore_ascii_case(&entity.path));
            if let Some(only) = only {
                return Err(Failure(format!("{name} opens {only:?} only")));
            }
            (read.host, read.endpoint)
        }
        (None, None) => return Err(fail("neither key nor connection string is named")),
    };
    let resource = format!("https://{host}/{}", entity.path);
    Ok(match endpoint {
        Endpoint::Key(key) => {
            let now = options.now.unwrap_or_else(time::now);
            let expires = now.saturating_add(options.ttl).as_secs();
            Signed { token: key.sign(&resource, expires), resource, expires: Some(expires) }
        }
        Endpoint::Signature(token) => {
            Signed { token: token.expose().to_owned(), resource, expires: None }
        }
    })
}
