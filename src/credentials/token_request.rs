//! How a token service is asked.

use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Secret;
use crate::http::Callout;
use crate::http::header;
use crate::shared;
use crate::text::percent_encode;

/// The resource that Service Bus is called in tokens.
pub const AUDIENCE: &str = "https://servicebus.azure.net";

/// Which of several managed identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The machine's own.
    System,
    /// By application.
    Client(String),
    /// By principal.
    Object(String),
    /// By Azure resource.
    Resource(String),
}

/// A request for a token.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    cluster: String,
    authority: String,
    scheme: &'static str,
    path: String,
    /// What proves to the service that we may ask.
    header: Option<(&'static str, Secret)>,
    /// The form of a POST; a GET has none.
    form: Option<Secret>,
    key: String,
}

/// Where a token service is.
#[derive(Clone, Debug)]
pub struct TokenService {
    /// Envoy cluster.
    pub cluster: String,
    /// `:authority`.
    pub authority: String,
    /// The resource that the token is for.
    pub audience: String,
}

/// When Envoy is to give up.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer; tokens with many groups have several kilobytes.
const ANSWER_BYTES: usize = 64 * 1024;

impl TokenRequest {
    /// Azure's instance metadata service, on virtual machines and AKS nodes.
    pub fn imds(service: TokenService, identity: &Identity) -> Self {
        let names = ["client_id", "object_id", "msi_res_id"];
        let path = path("/metadata/identity/oauth2/token", "2018-02-01", names, &service, identity);
        Self::new(service, "http", path, Some(("metadata", Secret::new("true".to_owned()))), None)
    }

    /// The endpoint of App Service, Functions and Container Apps.
    pub fn app_service(
        service: TokenService,
        endpoint: &str,
        identity_header: Secret,
        identity: &Identity,
    ) -> Self {
        let names = ["client_id", "principal_id", "mi_res_id"];
        let path = path(endpoint, "2019-08-01", names, &service, identity);
        Self::new(service, "http", path, Some(("x-identity-header", identity_header)), None)
    }

    /// The client-credentials grant of Entra ID.
    pub fn client_secret(
        service: TokenService,
        tenant_id: &str,
        client_id: &str,
        secret: &Secret,
    ) -> Self {
        let scope = format!("{}/.default", service.audience);
        let form = [
            ("client_id", client_id),
            ("client_secret", secret.expose()),
            ("grant_type", "client_credentials"),
            ("scope", &scope),
        ];
        let form = form.map(|(name, value)| format!("{name}={}", percent_encode(value))).join("&");
        let path = format!("/{}/oauth2/v2.0/token", percent_encode(tenant_id));
        Self::new(service, "https", path, None, Some(Secret::new(form)))
    }

    fn new(
        TokenService { cluster, authority, .. }: TokenService,
        scheme: &'static str,
        path: String,
        header: Option<(&'static str, Secret)>,
        form: Option<Secret>,
    ) -> Self {
        let mut hash = Sha256::new();
        let secrets = [header.as_ref().map(|(_, value)| value), form.as_ref()];
        let secrets = secrets.into_iter().flatten().map(Secret::expose);
        for part in [cluster.as_str(), &authority, &path].into_iter().chain(secrets) {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let mut name = String::with_capacity(64);
        for byte in hash.finalize() {
            // Writing to a String does not fail.
            let _ = write!(name, "{byte:02x}");
        }
        let key = shared::key("token", &name);
        Self { cluster, authority, scheme, path, header, form, key }
    }

    /// Under which workers share the token: a hash, which tells nothing.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Envoy's cluster of the token service.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    pub(super) fn callout(&self) -> Callout {
        let mut fields = vec![header("accept", "application/json")];
        if self.form.is_some() {
            fields.push(header("content-type", "application/x-www-form-urlencoded"));
        }
        if let Some((name, value)) = &self.header {
            fields.push(header(*name, value.expose().to_owned()));
        }
        let form = self.form.as_ref().map(|form| form.expose().as_bytes().to_vec());
        Callout {
            cluster: self.cluster.as_str().into(),
            method: if self.form.is_some() { "POST" } else { "GET" },
            scheme: self.scheme,
            authority: self.authority.as_str().into(),
            path: self.path.as_str().into(),
            authorization: None,
            fields: Rc::new(fields),
            body: Rc::new(form.unwrap_or_default()),
            timeout: TIMEOUT,
            response_bytes: ANSWER_BYTES,
        }
    }
}

fn path(
    endpoint: &str,
    version: &str,
    [client, object, resource]: [&str; 3],
    service: &TokenService,
    identity: &Identity,
) -> String {
    let audience = percent_encode(&service.audience);
    let mut path = format!("{endpoint}?api-version={version}&resource={audience}");
    let selector = match identity {
        Identity::System => None,
        Identity::Client(id) => Some((client, id)),
        Identity::Object(id) => Some((object, id)),
        Identity::Resource(id) => Some((resource, id)),
    };
    if let Some((name, id)) = selector {
        // Writing to a String does not fail.
        let _ = write!(path, "&{name}={}", percent_encode(id));
    }
    path
}
