//! Credentials that a token service gives: `managed_identity` and `client_secret`.

use super::credentials::{Environment, Found, read_secret};
use super::node::{Fields, Node};
use crate::credentials::{AUDIENCE, Identity, TokenRequest, TokenService};
use crate::text::is_visible_ascii;

#[derive(Clone, Copy, PartialEq)]
enum Source {
    Imds,
    AppService,
}

/// Where the instance metadata service is, on every machine of Azure.
const IMDS: &str = "169.254.169.254";
const ENTRA: &str = "login.microsoftonline.com";
/// The path of App Service's `IDENTITY_ENDPOINT`.
const APP_SERVICE_PATH: &str = "/msi/token";

pub(super) fn read_managed_identity(
    node: &Node<'_>,
    environment: Environment<'_>,
) -> Option<TokenRequest> {
    let mut fields = node.fields_secretly()?;
    let source = fields.required("source").and_then(|node| {
        node.choice(&[("imds", Source::Imds), ("app_service", Source::AppService)])
    });
    let default = if source == Some(Source::AppService) { "localhost" } else { IMDS };
    let service = read_service(&mut fields, default);
    let identity = read_identity(&mut fields);
    let header = fields.optional("identity_header");
    let path = fields.optional("path");
    let request = match source {
        None => None,
        Some(Source::Imds) => {
            for node in [&header, &path].into_iter().flatten() {
                node.error("goes with the source \"app_service\" alone");
            }
            let fits = header.is_none() && path.is_none();
            service
                .zip(identity)
                .filter(|_| fits)
                .map(|(service, identity)| TokenRequest::imds(service, &identity))
        }
        Some(Source::AppService) => {
            if header.is_none() {
                fields.missing("identity_header");
            }
            let header = header.and_then(|node| read_header(&node, environment));
            let path = path.map_or(Some(APP_SERVICE_PATH), |node| read_path(&node));
            match (service, identity, header, path) {
                (Some(service), Some(identity), Some(header), Some(path)) => {
                    let secret = header.secret();
                    Some(TokenRequest::app_service(service, path, secret, &identity))
                }
                _ => None,
            }
        }
    };
    fields.finish();
    request
}

pub(super) fn read_client_secret(
    node: &Node<'_>,
    environment: Environment<'_>,
) -> Option<TokenRequest> {
    let mut fields = node.fields_secretly()?;
    let service = read_service(&mut fields, ENTRA);
    let tenant_id = fields.required("tenant_id").and_then(|node| node.filled_text());
    let client_id = fields.required("client_id").and_then(|node| node.filled_text());
    let secret = fields.required("secret").and_then(|node| read_secret(&node, environment));
    fields.finish();
    Some(TokenRequest::client_secret(service?, tenant_id?, client_id?, &secret?.secret()))
}

fn read_service(fields: &mut Fields<'_>, authority: &str) -> Option<TokenService> {
    let cluster = fields.required("cluster").and_then(|node| node.filled_text());
    let authority = fields.optional("authority").map_or(Some(authority), |n| read_authority(&n));
    let audience = fields.optional("audience").map_or(Some(AUDIENCE), |node| read_audience(&node));
    Some(TokenService {
        cluster: cluster?.to_owned(),
        authority: authority?.to_owned(),
        audience: audience?.to_owned(),
    })
}

fn read_authority<'a>(node: &Node<'a>) -> Option<&'a str> {
    let text = node.text()?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if text.is_empty() || !text.bytes().all(fits) {
        node.expected("a host, with a port if need be");
        return None;
    }
    Some(text)
}

fn read_audience<'a>(node: &Node<'a>) -> Option<&'a str> {
    let text = node.text()?;
    if !text.starts_with("https://") || text.ends_with('/') || !is_visible_ascii(text) {
        node.expected("a URL such as \"https://servicebus.azure.net\", without a slash at its end");
        return None;
    }
    Some(text)
}

fn read_path<'a>(node: &Node<'a>) -> Option<&'a str> {
    let text = node.text()?;
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"?#".contains(&byte);
    if !text.starts_with('/') || !text.bytes().all(fits) {
        node.expected("the path of IDENTITY_ENDPOINT, such as \"/msi/token\"");
        return None;
    }
    Some(text)
}

/// At most one selector; a machine with several identities needs one.
fn read_identity(fields: &mut Fields<'_>) -> Option<Identity> {
    let selectors = [
        (fields.optional("client_id"), Identity::Client as fn(String) -> Identity),
        (fields.optional("object_id"), Identity::Object),
        (fields.optional("resource_id"), Identity::Resource),
    ];
    let mut given = selectors.into_iter().filter_map(|(node, kind)| Some((node?, kind)));
    let Some((node, kind)) = given.next() else { return Some(Identity::System) };
    if given.next().is_some() {
        fields.error("expected at most one of client_id, object_id, resource_id");
        return None;
    }
    node.filled_text().map(|id| kind(id.to_owned()))
}

fn read_header(node: &Node<'_>, environment: Environment<'_>) -> Option<Found> {
    let found = read_secret(node, environment)?;
    if !is_visible_ascii(found.secret().expose()) {
        node.error("holds characters that cannot stand in a header");
        return None;
    }
    Some(found)
}
