//! Bytes to a configuration that cannot be wrong, or every mistake in them with its place.

mod broker_properties;
mod credentials;
mod delivery;
mod destination;
mod dry_run;
mod error;
mod fallback;
mod forward;
mod forward_headers;
mod json;
mod lookup;
mod matches;
mod node;
mod reply;
mod route;
mod send;
mod template;
mod token_request;

use crate::delivery::DeliveryConfig;
use crate::delivery::{Gate, HeaderMode, Sender};
use std::rc::Rc;

pub use credentials::Environment;
pub use error::{ConfigError, ConfigErrors, Warning};

use crate::limits;
use destination::General;
use error::Findings;
use json::Json;
use node::{Fields, Node};

/// What one plugin instance does.
#[derive(Debug)]
pub struct Config {
    /// Sender or gate.
    pub role: Role,
    /// What works but should be known.
    pub warnings: Vec<Warning>,
}

/// The two parts that the module can play in a filter chain.
#[derive(Debug)]
pub enum Role {
    /// Holds matched requests in the headers callback, behind a sender that lets them go on.
    Gate(Gate),
    /// Sends matched requests to Service Bus.
    Sender(Rc<Sender>),
}

impl Config {
    /// Reads a plugin configuration.
    ///
    /// # Errors
    /// All mistakes, each with its place.
    pub fn parse(text: &[u8], environment: Environment<'_>) -> Result<Self, ConfigErrors> {
        let findings = Findings::default();
        let json = parse_json(text, &findings);
        let role = json.and_then(|json| read(&Node::root(&json, &findings), environment));
        let (role, warnings) = findings.conclude(role)?;
        Ok(Self { role, warnings })
    }
}

fn parse_json(text: &[u8], findings: &Findings) -> Option<Json> {
    let start = text.iter().find(|byte| !byte.is_ascii_whitespace());
    // A protobuf Struct starts with the tag of its first field, never with a brace.
    if start != Some(&b'{') {
        findings.error(
            "",
            0,
            "the configuration must be a google.protobuf.StringValue that holds a JSON object; \
             Envoy passes a google.protobuf.Struct on as protobuf bytes",
        );
        return None;
    }
    match Json::parse(text) {
        Ok(json) => Some(json),
        Err(error) => {
            let offset = offset_of(text, error.line(), error.column());
            findings.error("", offset, format!("not JSON: {error}"));
            None
        }
    }
}

/// Where a column of a line begins; both count from 1, columns in bytes.
fn offset_of(text: &[u8], line: usize, column: usize) -> usize {
    let before = text.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1));
    before.map(<[u8]>::len).sum::<usize>().saturating_add(column.saturating_sub(1))
}

fn read(root: &Node<'_>, environment: Environment<'_>) -> Option<Role> {
    let mut fields = root.fields()?;
    let sender: fn(Fields<'_>, Environment<'_>) -> Option<Role> = read_sender;
    let role = fields
        .optional("role")
        .map_or(Some(sender), |node| node.choice(&[("sender", sender), ("gate", read_gate)]))?;
    role(fields, environment)
}

/// What a gate passes over.
const NOT_FOR_GATES: [&str; 8] = [
    "namespace",
    "cluster",
    "credentials",
    "header_mode",
    "max_body_bytes",
    "filter_state",
    "jwt_payload_key",
    "delivery",
];

/// A gate may carry its sender's text, so that both are one; it reads only what it uses, and no
/// secret.
fn read_gate(mut fields: Fields<'_>, _: Environment<'_>) -> Option<Role> {
    for key in NOT_FOR_GATES {
        fields.optional(key);
    }
    let matches = fields.required("routes").and_then(|node| route::read_matches(&node));
    fields.finish();
    Some(Role::Gate(Gate { matches: matches? }))
}

fn read_sender(mut fields: Fields<'_>, environment: Environment<'_>) -> Option<Role> {
    let general = General::read(&mut fields, environment);
    let header_mode = fields.optional("header_mode").map_or(Some(HeaderMode::Pause), |node| {
        node.choice(&[("pause", HeaderMode::Pause), ("continue", HeaderMode::Continue)])
    });
    let max_body_bytes = fields
        .optional("max_body_bytes")
        .map_or(Some(limits::STANDARD_MESSAGE_BYTES), |node| read_max_body_bytes(&node));
    let filter_state = fields.optional("filter_state").map_or(Some(false), |node| node.boolean());
    let jwt_payload_key = fields
        .optional("jwt_payload_key")
        .map_or(Some(None), |node| node.filled_text().map(|key| Some(key.to_owned())));
    let delivery = fields
        .optional("delivery")
        .map_or_else(|| Some(DeliveryConfig::default()), |node| delivery::read(&node));
    let routes = fields.required("routes");
    let has_routes = routes.is_some();
    let routes = routes.and_then(|node| {
        route::read_all(&node, &general, header_mode.unwrap_or(HeaderMode::Pause))
    });
    general.report_missing(&fields, has_routes);
    fields.finish();
    Some(Role::Sender(Rc::new(Sender {
        header_mode: header_mode?,
        max_body_bytes: max_body_bytes?,
        filter_state: filter_state?,
        jwt_payload_key: jwt_payload_key?,
        delivery: delivery?,
        routes: routes?,
    })))
}

fn read_max_body_bytes(node: &Node<'_>) -> Option<usize> {
    let most = u64::try_from(limits::PREMIUM_MESSAGE_BYTES).ok()?;
    usize::try_from(node.integer(1..=most)?).ok()
}
