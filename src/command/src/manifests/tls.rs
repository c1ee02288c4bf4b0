//! Who is at the other end: what an `UpstreamTlsContext` checks.

use crate::yaml::Node;

/// What is asked of the other end before it gets a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// Nothing: plain text.
    Plain,
    /// Any certificate will do.
    Unchecked,
    /// Any certificate of a trusted authority will do.
    NameUnchecked,
    /// A trusted certificate for the right name.
    Checked,
    /// It depends on what does not stand here.
    Unknown,
}

impl Tls {
    /// Reads a `transport_socket`.
    pub(super) fn read(socket: &Node) -> Self {
        if let Some(context) = find(socket) {
            return Self::of_context(context);
        }
        let kind = socket.path(&["typed_config", "@type"]).and_then(Node::str).unwrap_or_default();
        let plain = socket.str_of("name") == Some("envoy.transport_sockets.raw_buffer")
            || kind.ends_with("raw_buffer.v3.RawBuffer");
        if plain { Self::Plain } else { Self::Unknown }
    }

    fn of_context(context: &Node) -> Self {
        let Some(validation) = context.path(&["common_tls_context", "validation_context"]) else {
            let elsewhere = context.get("common_tls_context").is_some_and(|common| {
                common
                    .members()
                    .iter()
                    .any(|(key, _)| key.name.contains("alidation") || key.name.contains("custom_"))
            });
            return if elsewhere { Self::Unknown } else { Self::Unchecked };
        };
        let has = |key| validation.get(key).is_some();
        if has("custom_validator_config") {
            return Self::Unknown;
        }
        if has("verify_certificate_spki") || has("verify_certificate_hash") {
            return Self::Checked;
        }
        let authority =
            ["trusted_ca", "system_root_certs", "ca_certificate_provider_instance"].map(has);
        let any = validation.str_of("trust_chain_verification") == Some("ACCEPT_UNTRUSTED");
        if any || authority == [false; 3] {
            return Self::Unchecked;
        }
        let named = ["match_typed_subject_alt_names", "match_subject_alt_names"];
        let named = named
            .iter()
            .any(|key| validation.get(key).is_some_and(|names| !names.items().is_empty()));
        let automatic = context.get("auto_sni_san_validation").is_some_and(|node| node.is_true());
        if named || automatic { Self::Checked } else { Self::NameUnchecked }
    }
}

/// The context of TLS in a socket, or in one that it wraps.
fn find(node: &Node) -> Option<&Node> {
    let kind = node.str_of("@type").unwrap_or_default();
    if kind.ends_with("tls.v3.UpstreamTlsContext") {
        return Some(node);
    }
    node.children().find_map(|child| find(child))
}
