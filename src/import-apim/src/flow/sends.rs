//! What sends something: messages, requests to other services, the request itself.

use serde_json::{Value as Json, json};

use super::{Interpreter, State};
use crate::body::SetBody;
use crate::lexer::Unreadable;
use crate::message::{OfRequest, entity_of, managed_identity, of_policy, of_request, set_header};
use crate::reply::Reply;
use crate::term::{Answerer, Object, Term};
use crate::value::{Piece, Value};
use crate::xml::Element;

const FIRST: &str = "a route sends one message; the first stays";
const LATE: &str = "is sent after the backend has answered; the filter sends before the request \
                    goes on: put it in inbound";

impl<'a> Interpreter<'_, 'a> {
    /// Whether a message may be sent now; tells why not.
    fn may_send(&mut self, element: &Element, state: &State<'_>) -> bool {
        let why = if state.scope.answerer == Answerer::Backend {
            LATE
        } else if state.message.is_some() {
            FIRST
        } else {
            return true;
        };
        self.report.skip(element, why);
        false
    }

    pub(super) fn send_message(&mut self, element: &'a Element, state: &mut State<'a>) {
        if self.may_send(element, state) {
            state.message = Some(of_policy(element, &mut state.scope, self.report));
        }
    }

    /// The request goes on: to Service Bus, as a message, or to a backend.
    pub(super) fn forward(&mut self, element: Option<&'a Element>, state: &mut State<'a>) {
        if let Some(element) = element {
            element.dismiss_itself();
        }
        if state.scope.answerer != Answerer::Nobody {
            return;
        }
        let Some(target) = state.request.target(self.operation) else {
            state.scope.answerer = Answerer::Backend;
            state.request.tell_unreadable(self.report);
            return;
        };
        state.scope.answerer = Answerer::ServiceBus;
        state.reply = Some(Reply::empty(201));
        if state.message.is_some() {
            state.request.dismiss();
            if let Some((backend, _)) = &state.request.backend {
                self.report.leave_out(backend.at, "set-backend-service", FIRST);
            }
            return;
        }
        for name in ["timeout", "timeout-ms", "buffer-request-body", "buffer-response"] {
            if let Some(element) = element {
                element.dismiss_attribute(name);
            }
        }
        state.message = state.request.message(target, element, self.operation, self.report);
    }

    pub(super) fn send_request(&mut self, element: &'a Element, state: &mut State<'a>) {
        let variable = element.text_of("response-variable-name").map(str::to_owned);
        let answer = self.answer(element, state);
        if let Some(variable) = variable {
            state.scope.variables.insert(variable, answer);
        }
    }

    fn answer(&mut self, element: &'a Element, state: &mut State<'a>) -> Result<Term, Unreadable> {
        let left_out =
            Unreadable { at: element.at, message: "its request was left out".to_owned() };
        let copies = match element.text_of("mode") {
            None | Some("new") => false,
            Some("copy") => true,
            Some(_) => {
                let why = "expected new or copy: new is taken";
                self.report.leave_out(element.at, "send-request mode", why);
                false
            }
        };
        let url = element.children.iter().find(|child| child.name == "set-url");
        let url = url.and_then(Element::content);
        let Some(url) = url.and_then(|url| self.report.value("set-url", url, &mut state.scope))
        else {
            self.report.skip(element, "needs a set-url that can be turned");
            return Err(left_out);
        };
        let (host, path) = split(url);
        let method = element.children.iter().find(|child| child.name == "set-method");
        let method = method.and_then(Element::text).unwrap_or(match copies {
            true => self.operation.method(),
            false => "GET",
        });
        let host_text =
            if let Some(Value::Text(host)) = &host { Some(host.as_str()) } else { None };
        let is_broker = host.as_ref().is_some_and(|host| {
            host.template().as_str().is_some_and(|text| text.contains(".servicebus."))
        }) || element.children.iter().any(|child| {
            child.name == "authentication-managed-identity"
                && child.text_of("resource").is_some_and(|it| it.contains("servicebus"))
        });
        if is_broker {
            let Some(entity) = entity_of(path).filter(|_| method == "POST") else {
                let why = "is no message: the filter only sends, with POST to ENTITY/messages";
                self.report.skip(element, why);
                return Err(left_out);
            };
            let namespace = host_text.map(str::to_owned);
            return self.send_by_request(element, (namespace, entity, copies), state);
        }
        match host_text {
            Some(host) if method.eq_ignore_ascii_case("GET") && !host.is_empty() => {
                if state.message.is_some() || state.lookup.is_some() {
                    let why = "a route sends one message, or looks one value up; the first stays";
                    self.report.skip(element, why);
                    return Err(left_out);
                }
                self.look_up(element, (host, &path), state);
                Ok(Term::Object(Object::Found))
            }
            _ => {
                let why = "only requests to Service Bus, and GET requests to a fixed host, have a \
                           counterpart here";
                self.report.skip(element, why);
                Err(left_out)
            }
        }
    }

    fn send_by_request(
        &mut self,
        element: &'a Element,
        (namespace, entity, copies): (Option<String>, Value, bool),
        state: &mut State<'a>,
    ) -> Result<Term, Unreadable> {
        if !self.may_send(element, state) {
            let message = "its message was left out".to_owned();
            return Err(Unreadable { at: element.at, message });
        }
        element.dismiss_itself();
        let mut headers = vec![];
        let mut body = None;
        let mut credentials = None;
        let mut at = element.at;
        for child in &element.children {
            match child.name.as_str() {
                "set-url" => {
                    at = child.at;
                    child.dismiss_itself();
                }
                "set-method" => child.dismiss_itself(),
                "set-header" => {
                    headers.extend(set_header(child, &mut state.scope, self.report));
                }
                "set-body" => body = Some(SetBody::read(child, &mut state.scope)),
                "authentication-managed-identity" => {
                    child.dismiss_itself();
                    child.dismiss_attribute("resource");
                    let id = child.text_of("client-id");
                    credentials = Some(managed_identity(id));
                }
                // Listed in the end, as nothing has read it.
                _ => {}
            }
        }
        let request = OfRequest {
            at: element.at,
            what: "send-request",
            namespace,
            entity,
            entity_at: at,
            headers: &headers,
            body: body.as_ref(),
            copies,
            credentials,
            timeout: element.timeout(),
            ignores_errors: crate::message::ignores_errors(element, self.report),
        };
        state.message = Some(of_request(request, self.report));
        Ok(Term::Object(Object::Accepted))
    }

    fn look_up(
        &mut self,
        element: &'a Element,
        (host, path): (&str, &Value),
        state: &mut State<'a>,
    ) {
        element.dismiss_itself();
        element.dismiss_attribute("ignore-error");
        let timeout = element.timeout().unwrap_or(10);
        for child in &element.children {
            match child.name.as_str() {
                "set-url" | "set-method" => child.dismiss_itself(),
                _ => {
                    let why =
                        "a lookup sends nothing but its path; Envoy can add to it on the cluster";
                    self.report.skip(child, why);
                }
            }
        }
        let path = path.template();
        let lookup = json!({
            "cluster": host,
            "authority": host,
            "path": path,
            "timeout": format!("{timeout}s"),
        });
        state.lookup = Some((element, lookup));
    }
}

/// Host and path of a URL.
fn split(url: Value) -> (Option<Value>, Value) {
    let Some(pieces) = url.pieces() else { return (None, Value::Json(Json::Null)) };
    let mut host = vec![];
    let mut path: Option<Vec<Piece>> = None;
    for (index, piece) in pieces.into_iter().enumerate() {
        match (&mut path, piece) {
            (Some(path), piece) => path.push(piece),
            (None, Piece::Text(text)) => {
                let rest = match text.split_once("://") {
                    Some((_, rest)) if index == 0 => rest,
                    _ => &text,
                };
                match rest.split_once('/') {
                    Some((before, after)) => {
                        host.push(Piece::Text(before.to_owned()));
                        path = Some(vec![Piece::Text(format!("/{after}"))]);
                    }
                    None => host.push(Piece::Text(rest.to_owned())),
                }
            }
            (None, piece) => host.push(piece),
        }
    }
    (Some(Value::joined(host)), Value::joined(path.unwrap_or_default()))
}
