//! The callout as a command line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envoy_service_bus::http::Callout;
use serde_json::Value as Json;

/// A command that makes the callout by hand, with a token of its own.
pub(super) fn line(callout: &Callout, configuration: &Json, route: usize) -> String {
    let Callout { method, authority: host, path, .. } = callout;
    let mut parts = vec![format!("curl -X {method} {}", quoted(&format!("https://{host}{path}")))];
    // What curl would add by itself; Service Bus takes headers for properties.
    for name in ["accept", "content-type", "user-agent"] {
        if callout.header(name).is_none() {
            parts.push(format!("-H '{name}:'"));
        }
    }
    for (name, value) in callout.headers().filter(|(name, _)| !name.starts_with(':')) {
        parts.push(match name {
            "authorization" => {
                let token = token(configuration, route, host, path);
                format!("-H \"authorization: {token}\"")
            }
            _ => format!("-H {}", quoted(&format!("{name}: {value}"))),
        });
    }
    if callout.authorization.is_none() && *method == "POST" {
        parts.push("-H \"authorization: $AUTHORIZATION\"".to_owned());
    }
    let mut before = String::new();
    if !callout.body.is_empty() {
        match std::str::from_utf8(&callout.body).ok().filter(|text| !text.contains('\0')) {
            Some(text) => parts.push(format!("--data-raw {}", quoted(text))),
            None => {
                before = format!("echo {} | base64 -d | ", STANDARD.encode(&*callout.body));
                parts.push("--data-binary @-".to_owned());
            }
        }
    }
    before + &parts.join(" \\\n  ")
}

/// Where a shell gets the value of `authorization` from.
fn token(configuration: &Json, route: usize, namespace: &str, path: &str) -> String {
    let general = configuration.get("credentials");
    let own = configuration.pointer(&format!("/routes/{route}/credentials"));
    let credentials = own.or(general).unwrap_or(&Json::Null);
    let text = |pointer: &str| credentials.pointer(pointer).and_then(Json::as_str);
    let entity = path.trim_start_matches('/').trim_end_matches("/messages");
    if let Some(variable) = text("/connection_string/env") {
        return format!(
            "$(envoy-service-bus sas --entity {entity} --connection-string-env {variable})"
        );
    }
    if let Some((name, variable)) = text("/sas/key_name").zip(text("/sas/key/env")) {
        return format!(
            "$(envoy-service-bus sas --namespace {namespace} --entity {entity} \
             --key-name {} --key-env {variable})",
            quoted(name)
        );
    }
    if credentials.get("managed_identity").or(credentials.get("client_secret")).is_some() {
        return "Bearer $(az account get-access-token --resource https://servicebus.azure.net \
                --query accessToken --output tsv)"
            .to_owned();
    }
    "$AUTHORIZATION".to_owned()
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
