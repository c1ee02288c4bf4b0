//! A policy, element after element, as API Management runs it: inbound, backend, outbound.
//!
//! A condition that depends on the request parts the flow in two, and each is followed to its end.

mod choose;
mod sends;

use serde_json::Value as Json;

use crate::body::SetBody;
use crate::message::{Message, by_hand, managed_identity, set_header};
use crate::operation::Operation;
use crate::position::Position;
use crate::reply::Reply;
use crate::report::{Evaluated, Report};
use crate::request::Request;
use crate::term::{Answerer, Object, Scope, Term};
use crate::value::Cel;
use crate::xml::Element;

/// What became of the policy for some requests.
#[derive(Clone, Debug)]
pub(crate) struct State<'a> {
    pub(crate) scope: Scope,
    pub(crate) request: Request<'a>,
    pub(crate) message: Option<Message>,
    /// Another service that was asked, and where.
    pub(crate) lookup: Option<(&'a Element, Json)>,
    /// What the client is told; `None` where the backend answers.
    pub(crate) reply: Option<Reply>,
    /// Where the policy answers by itself.
    pub(crate) returned: Option<&'a Element>,
    /// Settings for all routes: retries, the largest body.
    pub(crate) settings: Settings,
}

/// Settings for all routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) retries: serde_json::Map<String, Json>,
    pub(crate) max_body_bytes: Option<u64>,
}

/// The ends of a policy.
#[derive(Debug)]
pub(crate) enum Flow<'a> {
    End(Box<State<'a>>),
    Fork { at: Position, condition: Cel, then: Box<Flow<'a>>, otherwise: Box<Flow<'a>> },
}

/// What is to be done next; the last is the first.
type Pending<'a> = Vec<Step<'a>>;

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Element(&'a Element),
    /// The request goes on; `forward-request`, where it stands.
    Forward(Option<&'a Element>),
    /// The section `backend` has ended.
    Answered,
}

/// Follows policies.
pub(crate) struct Interpreter<'r, 'a> {
    pub(crate) operation: &'r Operation,
    pub(crate) report: &'r mut Report,
    forks: usize,
    /// What stands after an answer, on one of the ends at least.
    unreached: Vec<&'a Element>,
}

impl<'r, 'a> Interpreter<'r, 'a> {
    pub(crate) const fn new(operation: &'r Operation, report: &'r mut Report) -> Self {
        Self { operation, report, forks: 0, unreached: vec![] }
    }

    /// Follows a whole file.
    pub(crate) fn follow(&mut self, root: &'a Element) -> Flow<'a> {
        let container = root.child("policies").or_else(|| root.child("fragment")).unwrap_or(root);
        let sections = ["inbound", "backend", "outbound", "on-error"];
        let has_sections =
            container.children.iter().any(|child| sections.contains(&child.name.as_str()));
        let section = |name: &str| -> Vec<&'a Element> {
            let found = container.children.iter().filter(|child| child.name == name);
            found.inspect(|one| one.dismiss_itself()).flat_map(|one| &one.children).collect()
        };
        let inbound =
            if has_sections { section("inbound") } else { container.children.iter().collect() };
        let mut steps: Vec<_> = inbound.into_iter().map(Step::Element).collect();
        if container.children.iter().any(|child| child.name == "backend") {
            steps.extend(section("backend").into_iter().map(
                |element| match element.name.as_str() {
                    "base" => Step::Forward(None),
                    _ => Step::Element(element),
                },
            ));
        } else {
            steps.push(Step::Forward(None));
        }
        steps.push(Step::Answered);
        steps.extend(section("outbound").into_iter().map(Step::Element));
        for errors in container.children.iter().filter(|child| child.name == "on-error") {
            if errors.children.iter().all(|child| child.name == "base") {
                errors.dismiss_itself();
            }
        }
        for base in container.children.iter().flat_map(|section| &section.children) {
            if base.name == "base" {
                base.dismiss_itself();
            }
        }
        steps.reverse();
        let (captures, query) = (self.operation.captures.clone(), self.operation.query.clone());
        let scope = Scope { captures, query, ..Scope::default() };
        let state = State {
            scope,
            request: Request::default(),
            message: None,
            lookup: None,
            reply: None,
            returned: None,
            settings: Settings::default(),
        };
        let flow = self.run(steps, state);
        for element in std::mem::take(&mut self.unreached) {
            if !element.is_read() {
                self.report.skip(element, "is not reached: return-response stands before it");
            }
        }
        flow
    }

    fn run(&mut self, mut pending: Pending<'a>, mut state: State<'a>) -> Flow<'a> {
        while let Some(step) = pending.pop() {
            match step {
                Step::Forward(element) => self.forward(element, &mut state),
                Step::Answered => {
                    if state.scope.answerer == Answerer::Nobody {
                        // Nothing was asked: API Management answers so.
                        state.reply = Some(Reply::empty(200));
                    }
                }
                Step::Element(element) if element.name == "choose" => {
                    match self.choose(element, &pending, state) {
                        Ok(flow) => return flow,
                        Err((more, next)) => {
                            pending.extend(more);
                            state = *next;
                        }
                    }
                }
                Step::Element(element) => {
                    if let Some(inner) = self.element(element, &mut state) {
                        pending.extend(inner.iter().rev().map(Step::Element));
                    }
                    if state.returned.is_some() {
                        self.unreached.extend(pending.iter().filter_map(|step| match step {
                            Step::Element(element) => Some(*element),
                            Step::Forward(element) => *element,
                            Step::Answered => None,
                        }));
                        break;
                    }
                }
            }
        }
        Flow::End(Box::new(state))
    }

    /// Takes an element; yields those in it that are to be taken next.
    fn element(&mut self, element: &'a Element, state: &mut State<'a>) -> Option<&'a [Element]> {
        match element.name.as_str() {
            "base" => element.dismiss_itself(),
            "forward-request" => self.forward(Some(element), state),
            "set-variable" => self.set_variable(element, state),
            "send-service-bus-message" => self.send_message(element, state),
            "send-request" | "send-one-way-request" => self.send_request(element, state),
            "return-response" => {
                state.returned = Some(element);
                if state.message.is_some() || state.lookup.is_some() {
                    state.reply = Some(Reply::read(element, &mut state.scope, self.report));
                }
            }
            "set-status" | "set-header" | "set-body" if state.reply.is_some() => {
                if let Some(reply) = &mut state.reply {
                    reply.change(element, &mut state.scope, self.report);
                }
            }
            "set-status" | "set-header" | "set-body"
                if state.scope.answerer == Answerer::Backend =>
            {
                let why = "changes the backend's answer: the route's response_headers_to_add, or \
                           Envoy's header_mutation, does this for headers";
                self.report.skip(element, why);
            }
            "retry" => {
                self.retry(element, state);
                return Some(&element.children);
            }
            "wait" => {
                element.dismiss_itself();
                if element.text_of("for") != Some("any") {
                    return Some(&element.children);
                }
                let why = "the filter waits for the answer of Service Bus, and for no other";
                self.report.leave_out(element.at, "wait for", why);
                return Some(&element.children);
            }
            "limit-concurrency" => {
                element.dismiss_itself();
                element.dismiss_attribute("key");
                element.dismiss_attribute("max-count");
                let why = crate::reference::reason(&element.name);
                self.report.leave_out(element.at, &element.name, why);
                return Some(&element.children);
            }
            "validate-content" => self.validate_content(element, state),
            _ => self.change_request(element, state),
        }
        None
    }

    /// Elements that change the request which goes on. They count as read where it does.
    fn change_request(&mut self, element: &'a Element, state: &mut State<'a>) {
        let State { scope, request, .. } = state;
        match element.name.as_str() {
            "set-header" => {
                let Some(header) = set_header(element, scope, self.report) else { return };
                let value = header.value.value().filter(|_| header.action == "override");
                scope.headers.insert(header.name.clone(), value);
                request.headers.push(header);
            }
            "set-body" => {
                let body = SetBody::read(element, scope);
                scope.body = Some(body.value());
                request.body = Some(body);
            }
            "set-method" => {
                if let Some(method) = element.text() {
                    request.method = Some((element, method.to_ascii_uppercase()));
                }
            }
            "set-query-parameter" => request.others.push(element),
            "rewrite-uri" => {
                if let Some(content) = element.attribute("template") {
                    request.path = Some((element, Evaluated::new(content, scope)));
                }
            }
            "set-backend-service" => {
                let url = element.attribute("base-url").map(|it| Evaluated::new(it, scope));
                element.attribute("backend-id");
                request.backend = Some((element, url));
            }
            "authentication-managed-identity" => {
                let resource = element.text_of("resource").unwrap_or_default();
                let is_broker = resource.contains("servicebus");
                let id = element.text_of("client-id").map(str::to_owned);
                let identity = managed_identity(id.as_deref());
                if let Some(variable) = element.text_of("output-token-variable-name") {
                    let token = Ok(Term::Object(Object::Token(id)));
                    scope.variables.insert(variable.to_owned(), token);
                }
                request.identity = Some((element, is_broker, identity));
            }
            // Listed in the end, as nothing has read it.
            _ => {}
        }
    }

    fn set_variable(&mut self, element: &Element, state: &mut State<'_>) {
        element.dismiss_itself();
        let (Some(name), Some(content)) = (element.text_of("name"), element.attribute("value"))
        else {
            return self.report.leave_out(element.at, "set-variable", "has no name or no value");
        };
        // One that cannot be turned matters where it is used.
        let evaluated = Evaluated::new(content, &mut state.scope);
        self.report.tell_notes("set-variable", &evaluated);
        let term = match evaluated.term() {
            Ok(term) => Ok(term.clone()),
            Err(error) => by_hand(content).ok_or_else(|| error.clone()),
        };
        state.scope.variables.insert(name.to_owned(), term);
    }

    fn validate_content(&mut self, element: &Element, state: &mut State<'_>) {
        element.dismiss_itself();
        let prevents = element.text_of("size-exceeded-action") == Some("prevent");
        if let Some(size) = element.attribute("max-size") {
            let bytes = size.text().and_then(|text| text.trim().parse::<u64>().ok());
            match bytes.filter(|_| prevents) {
                Some(bytes) => state.settings.max_body_bytes = Some(bytes),
                None => self.report.leave_out(
                    size.at,
                    "validate-content max-size",
                    "is a bound only with size-exceeded-action=\"prevent\"",
                ),
            }
        }
        if !element.children.is_empty() {
            // Settings of what is listed next.
            element.dismiss_attribute("unspecified-content-type-action");
            element.dismiss_attribute("errors-variable-name");
        }
        for child in &element.children {
            let why = "compares with the API's schema, which Envoy does not have: let the \
                       receiver, or an ext_authz service before the filter, do it";
            self.report.skip(child, why);
        }
    }

    fn retry(&mut self, element: &Element, state: &mut State<'_>) {
        element.dismiss_itself();
        let sends = |child: &Element| {
            ["send-request", "send-service-bus-message"].contains(&child.name.as_str())
                || child.name == "forward-request" && state.request.target(self.operation).is_some()
        };
        if !element.children.iter().any(sends) {
            for name in ["condition", "count", "interval", "max-interval", "delta"] {
                element.dismiss_attribute(name);
            }
            element.dismiss_attribute("first-fast-retry");
            let why = "the retry_policy of Envoy's route does this";
            return self.report.leave_out(element.at, "retry", why);
        }
        for (attribute, key) in [("count", "max"), ("interval", "base"), ("max-interval", "cap")] {
            let Some(content) = element.attribute(attribute) else { continue };
            let count = content.text().and_then(|text| text.trim().parse::<u64>().ok());
            let value: Json = match count {
                Some(count) if key == "max" => count.into(),
                Some(seconds) if seconds > 0 => format!("{seconds}s").into(),
                _ => {
                    let what = format!("retry {attribute}");
                    let why = "must be a number above 0: write delivery.retries";
                    self.report.leave_out(content.at, &what, why);
                    continue;
                }
            };
            state.settings.retries.insert(key.to_owned(), value);
        }
    }
}
