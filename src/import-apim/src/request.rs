//! The client's request, as the policy changes it before it goes on.

use serde_json::Value as Json;

use crate::body::SetBody;
use crate::message::{Message, OfRequest, SetHeader, entity_of, of_request};
use crate::operation::Operation;
use crate::position::Position;
use crate::report::{Evaluated, Report};
use crate::term::{Object, Term};
use crate::value::{Piece, Value};
use crate::xml::Element;

/// What the policy has set so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) headers: Vec<SetHeader<'a>>,
    pub(crate) body: Option<SetBody<'a>>,
    /// The URL, or `None` for a backend that is described outside of the policy.
    pub(crate) backend: Option<(&'a Element, Option<Evaluated>)>,
    pub(crate) path: Option<(&'a Element, Evaluated)>,
    pub(crate) method: Option<(&'a Element, String)>,
    /// The element, whether it is for Service Bus, and our credentials.
    pub(crate) identity: Option<(&'a Element, bool, Json)>,
    /// Parameters of the query.
    pub(crate) others: Vec<&'a Element>,
}

/// Where a request goes.
#[derive(Debug)]
pub(crate) struct Target {
    at: Position,
    what: &'static str,
    namespace: Option<String>,
    entity: Value,
}

impl<'a> Request<'a> {
    /// The entity of Service Bus that it goes to, if it does.
    pub(crate) fn target(&self, operation: &Operation) -> Option<Target> {
        let url = self.backend.as_ref().and_then(|(_, url)| url.as_ref()?.value());
        let (host, base) = match url {
            Some(Value::Text(url)) => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest).to_owned();
                let (host, path) = rest.split_once('/').unwrap_or((&rest, ""));
                (Some(host.to_owned()), path.trim_matches('/').to_owned())
            }
            _ => (None, String::new()),
        };
        let is_named = host.as_ref().is_some_and(|host| host.contains(".servicebus."));
        // Where the host is not told, what is sent there tells that it is one of Service Bus.
        let broker = |header: &SetHeader<'_>| {
            header.name == "brokerproperties"
                || header.name == "authorization"
                    && header.credentials == Some(Term::Object(Object::Signature))
        };
        let looks_so = self.identity.as_ref().is_some_and(|(_, is_broker, _)| *is_broker)
            || self.headers.iter().any(broker);
        let is_elsewhere = host.as_ref().is_some_and(|host| host.contains('.'));
        if !is_named && (is_elsewhere || !looks_so) {
            return None;
        }
        let (at, what) = match (&self.backend, &self.path) {
            (Some((element, _)), _) => (element.at, "set-backend-service"),
            (None, Some((element, _))) => (element.at, "rewrite-uri"),
            (None, None) => return None,
        };
        let entity = entity_of(self.path(&base, operation)?)?;
        Some(Target {
            at,
            what,
            namespace: host.filter(|host| is_named || host.contains(MARK)),
            entity,
        })
    }

    /// Tells why it cannot be known whether it goes to Service Bus.
    pub(crate) fn tell_unreadable(&self, report: &mut Report) {
        let url = self.backend.as_ref().and_then(|(_, url)| url.as_ref());
        let path = self.path.as_ref().map(|(_, path)| path);
        for (what, value) in [("set-backend-service base-url", url), ("rewrite-uri template", path)]
        {
            if let Some(value) = value {
                report.take(what, value);
            }
        }
    }

    /// The path that the backend gets.
    fn path(&self, base: &str, operation: &Operation) -> Option<Value> {
        let mut pieces = vec![Piece::Text(format!("/{base}"))];
        match &self.path {
            Some((_, path)) => {
                let path = match path.value()? {
                    Value::Text(text) => operation.filled(&text),
                    other => other,
                };
                pieces.push(Piece::Text("/".to_owned()));
                pieces.extend(path.pieces()?);
            }
            // API Management adds the operation's path, of which only it knows the API's part.
            None if format!("/{base}").ends_with("/messages") => {}
            None => pieces.extend(operation.path_value().pieces()?),
        }
        let value = Value::joined(pieces);
        Some(match value {
            Value::Text(text) => Value::Text(without_doubles(&text)),
            Value::Joined(mut pieces) => {
                if let Some(Piece::Text(first)) = pieces.first_mut() {
                    *first = without_doubles(first);
                }
                Value::Joined(pieces)
            }
            other => other,
        })
    }

    /// The request as a message. Tells of what of it is none.
    pub(crate) fn message(
        &self,
        target: Target,
        forward: Option<&Element>,
        operation: &Operation,
        report: &mut Report,
    ) -> Option<Message> {
        let method = self.method.as_ref().map_or(operation.method(), |(_, method)| method);
        let elements = [
            self.backend.as_ref().map(|(element, _)| *element),
            self.path.as_ref().map(|(element, _)| *element),
            self.method.as_ref().map(|(element, _)| *element),
            self.identity.as_ref().map(|(element, ..)| *element),
        ];
        for element in elements.into_iter().flatten() {
            element.dismiss_itself();
        }
        self.dismiss_others();
        if method != "POST" {
            let why = format!(
                "a {method} request to Service Bus sends nothing; the filter only sends, with POST"
            );
            report.leave_out(target.at, target.what, &why);
            return None;
        }
        let timeout = forward.and_then(Element::timeout);
        Some(of_request(
            OfRequest {
                at: target.at,
                what: target.what,
                namespace: target.namespace,
                entity: target.entity,
                entity_at: self.path.as_ref().map_or(target.at, |(element, _)| element.at),
                headers: &self.headers,
                body: self.body.as_ref(),
                copies: true,
                credentials: self.identity.as_ref().map(|(.., credentials)| credentials.clone()),
                timeout,
                ignores_errors: None,
            },
            report,
        ))
    }

    /// Headers that go on to a backend, as `forward.headers`; what else was set is told, with what
    /// of Envoy does it.
    pub(crate) fn forward(&self, report: &mut Report) -> Vec<(String, Value)> {
        let mut headers: Vec<(String, Value)> = vec![];
        for header in &self.headers {
            if header.action != "override" {
                let why = "the route's request_headers_to_add or _to_remove does this";
                report.skip(header.element, why);
                continue;
            }
            header.element.dismiss_itself();
            if let Some(value) = report.take("set-header", &header.value) {
                headers.retain(|(name, _)| *name != header.name);
                headers.push((header.name.clone(), value));
            }
        }
        let backend = self.backend.as_ref().map(|(element, _)| *element);
        let path = self.path.as_ref().map(|(element, _)| *element);
        let method = self.method.as_ref().map(|(element, _)| *element);
        let identity = self.identity.as_ref().map(|(element, ..)| *element);
        let body = self.body.as_ref().map(|body| body.element);
        for (element, why) in [
            (backend, "Envoy's route names the cluster that the request goes on to"),
            (path, "the prefix_rewrite or regex_rewrite of Envoy's route does this"),
            (method, "Envoy's header_mutation does this, on `:method`, behind the filter"),
            (identity, "Envoy's credential_injector does this, on the backend's cluster"),
            (body, "the backend gets the client's body as it is"),
        ] {
            if let Some(element) = element {
                report.skip(element, why);
            }
        }
        headers
    }

    /// It goes nowhere: what was set has no effect.
    pub(crate) fn dismiss(&self) {
        let elements = [
            self.backend.as_ref().map(|(element, _)| *element),
            self.path.as_ref().map(|(element, _)| *element),
            self.method.as_ref().map(|(element, _)| *element),
            self.identity.as_ref().map(|(element, ..)| *element),
            self.body.as_ref().map(|body| body.element),
        ];
        let headers = self.headers.iter().map(|header| header.element);
        for element in elements.into_iter().flatten().chain(headers) {
            element.dismiss_itself();
        }
        self.dismiss_others();
    }

    /// Parameters of the query say nothing to Service Bus about the message.
    fn dismiss_others(&self) {
        for element in &self.others {
            element.dismiss_itself();
            element.dismiss_attribute("name");
            element.dismiss_attribute("exists-action");
            for value in element.children.iter().filter(|child| child.name == "value") {
                value.dismiss_itself();
                value.content();
            }
        }
    }
}

const MARK: char = crate::named::MARK;

fn without_doubles(path: &str) -> String {
    let mut single = String::new();
    for c in path.chars() {
        if c != '/' || !single.ends_with('/') {
            single.push(c);
        }
    }
    single
}
