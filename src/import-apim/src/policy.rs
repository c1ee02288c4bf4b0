//! Policies, one after the other, as a route of ours.

use serde_json::{Map, Value as Json, json};

use super::lexer::Unreadable;
use super::made::Made;
use super::members::{Thing, Value};
use super::message::{self, Message};
use super::operation::Operation;
use super::reply;
use super::translate::{self, Known};
use super::xml::{Content, Element};
use crate::position::Position;

/// What could not be turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it stands.
    pub at: Position,
    /// The element or attribute.
    pub what: String,
    /// Why, and what to do instead.
    pub why: String,
}

/// What has been read of a policy so far.
#[derive(Debug)]
pub(super) struct Importer {
    pub(super) known: Known,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) message: Option<Message>,
    /// The lookup, where the policy asks another service than Service Bus.
    lookup: Option<Json>,
    reply: Option<Json>,
    /// What a queue or topic may be, when an expression says which.
    pub(super) allowed: Vec<String>,
}

impl Importer {
    pub(super) fn new(operation: &Operation, allowed: Vec<String>) -> Self {
        let (captures, query) = (operation.captures.clone(), operation.query.clone());
        let known = Known { captures, query, ..Known::default() };
        let (message, lookup, reply) = (None, None, None);
        Self { known, left_out: vec![], message, lookup, reply, allowed }
    }

    pub(super) fn leave_out(&mut self, at: Position, what: &str, why: &str) {
        let (what, why) = (what.to_owned(), why.to_owned());
        self.left_out.push(LeftOut { at, what, why });
    }

    /// The value of a content; what cannot be turned is noted.
    pub(super) fn made(&mut self, what: &str, content: &Content) -> Option<Made> {
        let made = translate::content(content, &mut self.known);
        for (member, Unreadable { at, message }) in std::mem::take(&mut self.known.skipped) {
            self.leave_out(at, &format!("{what}: member {member:?}"), &message);
        }
        let mut notes = std::mem::take(&mut self.known.notes);
        if made.as_ref().is_ok_and(Made::keeps_type) {
            let message = KEEPS_TYPE.to_owned();
            notes.push(Unreadable { at: content.at, message });
        }
        for Unreadable { at, message } in notes {
            // Once is enough to know it.
            if !self.left_out.iter().any(|one| one.why == message) {
                self.leave_out(at, what, &message);
            }
        }
        match made {
            Ok(made) => Some(made),
            Err(Unreadable { at, message }) => {
                self.leave_out(at, what, &message);
                None
            }
        }
    }

    /// Reads policies in their order.
    pub(super) fn read(&mut self, policies: &[Element]) {
        for policy in policies {
            self.policy(policy);
        }
    }

    fn policy(&mut self, policy: &Element) {
        let name = policy.name.as_str();
        match name {
            "policies" | "inbound" | "backend" | "outbound" | "fragment" => {
                self.read(&policy.children);
            }
            // Nothing goes to a backend.
            "base" | "set-backend-service" | "forward-request" | "rewrite-uri" => {}
            "set-variable" => self.set_variable(policy),
            "send-service-bus-message" => {
                let message = message::of_policy(self, policy);
                self.take_message(policy, message);
            }
            "send-request" => self.send_request(policy),
            "return-response" => self.return_response(policy),
            "retry" => {
                self.leave_out(policy.at, name, "the filter retries as delivery.retries says");
                self.read(&policy.children);
            }
            "on-error" if policy.children.iter().all(|child| child.name == "base") => {}
            _ => self.leave_out(policy.at, name, reason(name)),
        }
    }

    fn set_variable(&mut self, policy: &Element) {
        let (Some(name), Some(value)) = (policy.text_of("name"), policy.attribute("value")) else {
            return self.leave_out(policy.at, "set-variable", "has no name or no value");
        };
        let value = translate::value(value, &mut self.known);
        // One that cannot be turned matters where it is used.
        self.known.variables.insert(name.to_owned(), value);
    }

    fn take_message(&mut self, policy: &Element, message: Message) {
        if self.message.is_some() || self.lookup.is_some() {
            let why = "a route sends one message; the first stays";
            return self.leave_out(policy.at, &policy.name, why);
        }
        self.message = Some(message);
    }

    fn send_request(&mut self, policy: &Element) {
        let url = policy.child("set-url").and_then(|child| child.content.as_ref());
        let Some(url) = url.and_then(|url| self.made("set-url", url)) else {
            return self.leave_out(policy.at, "send-request", "needs a set-url that can be turned");
        };
        let template = match url.template() {
            Json::String(template) => template,
            _ => String::new(),
        };
        let rest = template.split_once("://").map(|(_, rest)| rest.to_owned());
        let (host, path) = rest
            .as_deref()
            .map(|rest| rest.split_once('/').unwrap_or((rest, "")))
            .unwrap_or_default();
        let variable = policy.text_of("response-variable-name").map(str::to_owned);
        let method = policy.child("set-method").and_then(Element::text).unwrap_or("GET");
        let answer = if let Some(entity) = message::entity_of(host, path) {
            let message = message::of_request(self, policy, host, entity);
            self.take_message(policy, message);
            Err(Unreadable {
                at: policy.at,
                message: "the filter itself looks at the answer of Service Bus".to_owned(),
            })
        } else if method == "GET" && !host.is_empty() && !host.contains("${") {
            self.take_lookup(policy, host, path);
            Ok(Value::Thing(Thing::Response))
        } else {
            let why = "only requests to Service Bus, and GET requests to a fixed host, have a \
                       counterpart here";
            self.leave_out(policy.at, "send-request", why);
            Err(Unreadable { at: policy.at, message: "its request was left out".to_owned() })
        };
        if let Some(variable) = variable {
            self.known.variables.insert(variable, answer);
        }
    }

    fn take_lookup(&mut self, policy: &Element, host: &str, path: &str) {
        if self.message.is_some() || self.lookup.is_some() {
            let why = "a route sends one message, or looks one thing up; the first stays";
            return self.leave_out(policy.at, "send-request", why);
        }
        let timeout = timeout(policy).unwrap_or_else(|| "10s".into());
        let path = format!("/{path}");
        for child in &policy.children {
            if !["set-url", "set-method"].contains(&child.name.as_str()) {
                let why = "a lookup sends nothing but its path; Envoy can add to it on the cluster";
                self.leave_out(child.at, &child.name, why);
            }
        }
        self.lookup =
            Some(json!({"cluster": host, "authority": host, "path": path, "timeout": timeout}));
    }

    fn return_response(&mut self, policy: &Element) {
        if self.message.is_none() && self.lookup.is_none() {
            let why = "stands before anything is sent: the filter answers after it";
            return self.leave_out(policy.at, "return-response", why);
        }
        if self.reply.is_some() {
            return self.leave_out(policy.at, "return-response", "a route has one reply");
        }
        self.reply = Some(reply::read(self, policy));
    }

    /// The whole configuration.
    pub(super) fn configuration(
        &mut self,
        operation: &Operation,
        namespace: Option<&str>,
    ) -> Option<Json> {
        let mut config = Map::new();
        let mut route = Map::new();
        match (self.message.take(), self.lookup.take()) {
            (Some(message), _) => {
                let found = namespace.map(str::to_owned).or(message.namespace);
                let namespace = found.unwrap_or_else(|| {
                    let why = "the policy names no namespace: give it with --namespace";
                    self.leave_out(message.at, "namespace", why);
                    "unknown.servicebus.windows.net".to_owned()
                });
                config.insert("namespace".to_owned(), namespace.into());
                config.insert("cluster".to_owned(), "servicebus".into());
                config.insert("credentials".to_owned(), message.credentials);
                if let Some(timeout) = message.timeout {
                    config.insert("delivery".to_owned(), json!({"timeout": timeout}));
                }
                route.insert("name".to_owned(), message.route.into());
                route.insert("match".to_owned(), operation.matches());
                route.insert("send".to_owned(), Json::Object(message.send));
            }
            (None, Some(lookup)) => {
                route.insert("name".to_owned(), "lookup".into());
                route.insert("match".to_owned(), operation.matches());
                route.insert("lookup".to_owned(), lookup);
            }
            (None, None) => return None,
        }
        if let Some(reply) = self.reply.take().filter(|reply| *reply != json!({})) {
            route.insert("reply".to_owned(), reply);
        }
        config.insert("routes".to_owned(), json!([route]));
        Some(Json::Object(config))
    }
}

const KEEPS_TYPE: &str = "a number or boolean of the request keeps its type, here and wherever else \
                          its text is asked for: write ${string(…)} where it must not";

/// The timeout of a request, in seconds there.
pub(super) fn timeout(policy: &Element) -> Option<Json> {
    let seconds: u64 = policy.text_of("timeout")?.parse().ok()?;
    (1..=3600).contains(&seconds).then(|| format!("{seconds}s").into())
}

/// What does the work of a policy that has no counterpart.
fn reason(name: &str) -> &'static str {
    match name {
        "validate-jwt" | "validate-azure-ad-token" => {
            "Envoy's jwt_authn does this, before the filter"
        }
        "rate-limit" | "rate-limit-by-key" | "quota" | "quota-by-key" => {
            "Envoy's local_ratelimit or ratelimit does this, before the filter"
        }
        "cors" => "Envoy's cors does this, before the filter",
        "ip-filter" => "Envoy's rbac does this, before the filter",
        "check-header" => "`match.headers` or Envoy's rbac does this",
        "choose" => {
            "conditions are not turned: `match` tells requests apart, and expressions have `? :`"
        }
        "on-error" => "`reply.failures` does this, by reason",
        "set-header" | "set-body" | "set-query-parameter" | "set-method" => {
            "changes a request that goes nowhere"
        }
        "authentication-managed-identity" => "`credentials` does this, for the message alone",
        _ => "has no counterpart here",
    }
}
