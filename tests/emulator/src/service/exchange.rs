//! One request from its head to its outcome, with the faults that it is in for.

use bytes::Bytes;

use super::{
    Asked, Check, Ending, Entry, Moment, Operation, Plan, Route, Service, receive, route, send,
};
use crate::admin;
use crate::auth;
use crate::broker::{Form, Timestamp};
use crate::http::{Head, Outcome, Response};
use crate::refusal::Refusal;
use crate::wire;

/// A request that is being handled.
#[derive(Debug)]
pub struct Exchange<'a> {
    service: &'a Service,
    head: &'a Head,
    target: Target,
    plan: Plan,
}

#[derive(Debug)]
enum Target {
    Admin,
    Data(Result<Route, Refusal>),
}

/// An answer with a word on what became of the request.
pub(super) struct Done {
    pub(super) response: Response,
    pub(super) verdict: String,
}

/// A refusal with what the request did not pass.
pub(super) struct Refused {
    pub(super) check: Check,
    pub(super) refusal: Refusal,
}

impl Check {
    /// Turns a refusal into one of this check.
    pub(super) fn refuses(self) -> impl Copy + Fn(Refusal) -> Refused {
        move |refusal| Refused { check: self, refusal }
    }
}

impl<'a> Exchange<'a> {
    pub(super) fn without_faults(service: &'a Service, head: &'a Head) -> Self {
        let target = if admin::is_target(&head.target) {
            Target::Admin
        } else {
            Target::Data(route::parse(&head.method, &head.target))
        };
        Self { service, head, target, plan: Plan::default() }
    }

    pub(super) fn begin(service: &'a Service, head: &'a Head) -> Self {
        let mut exchange = Self::without_faults(service, head);
        if let Target::Data(Ok(route)) = &exchange.target {
            exchange.plan = service.faults.lock().draw(&route.entity, route.operation);
        }
        if exchange.resets_before_reading() {
            exchange.note(None, Some(Check::Fault), "fault: reset before reading".to_owned());
        }
        exchange
    }

    /// The connection is to be reset now.
    #[must_use]
    pub fn resets_before_reading(&self) -> bool {
        self.plan.ending == Some(Ending::Reset(Moment::BeforeReading))
    }

    /// The request may wait long and takes a message away from others.
    #[must_use]
    pub fn waits_for_messages(&self) -> bool {
        matches!(
            &self.target,
            Target::Data(Ok(Route {
                operation: Operation::ReceiveAndDelete | Operation::PeekLock,
                ..
            }))
        )
    }

    /// Answers a request whose body is not read.
    #[must_use]
    pub fn refuse_body(&self, refusal: Refusal) -> Response {
        self.refuse(Refused { check: Check::Body, refusal })
    }

    fn refuse(&self, Refused { check, refusal }: Refused) -> Response {
        let response = self.error(&refusal);
        self.note(Some(refusal.status), Some(check), refusal.detail);
        response
    }

    /// Does what the request asks.
    pub async fn finish(self, body: Bytes) -> Outcome {
        let route = match &self.target {
            Target::Admin => return Outcome::Answer(admin::answer(self.service, self.head, &body)),
            Target::Data(Err(refusal)) => {
                return Outcome::Answer(self.refuse(Check::Path.refuses()(refusal.clone())));
            }
            Target::Data(Ok(route)) => route,
        };
        if !self.plan.delay.is_zero() {
            tokio::time::sleep(self.plan.delay).await;
        }
        let Some(ending) = &self.plan.ending else {
            return Outcome::Answer(match self.carry_out(route, body).await {
                Ok(done) => {
                    self.note(Some(done.response.status), None, done.verdict);
                    done.response
                }
                Err(refused) => self.refuse(refused),
            });
        };
        let mut done = None;
        if ending.carries_out() {
            match self.carry_out(route, body).await {
                Ok(normal) => done = Some(normal),
                // A fault must not hide that the request itself is wrong.
                Err(refused) => return Outcome::Answer(self.refuse(refused)),
            }
        }
        self.end(ending, done)
    }

    /// Ends a request as a fault says. `done` is what it came to, if it was carried out.
    fn end(&self, ending: &Ending, done: Option<Done>) -> Outcome {
        let fault = Some(Check::Fault);
        let before = done.as_ref().map(|done| format!("{}, ", done.verdict)).unwrap_or_default();
        match (ending, done) {
            (Ending::Status { status, detail, headers, .. }, _) => {
                self.note(Some(*status), fault, format!("{before}fault: status {status}"));
                let mut response = self.error(&Refusal::new(*status, detail.clone()));
                response.headers.extend(headers.iter().cloned());
                Outcome::Answer(response)
            }
            (Ending::Reset(Moment::AfterHeaders), Some(done)) => {
                let verdict = format!("{before}fault: reset after headers");
                self.note(Some(done.response.status), fault, verdict);
                Outcome::ResetAfterHeaders(done.response)
            }
            (Ending::Reset(_), _) => {
                self.note(None, fault, format!("{before}fault: reset"));
                Outcome::Reset
            }
            (Ending::Stall { .. }, _) => {
                self.note(None, fault, format!("{before}fault: stall"));
                Outcome::Stall
            }
        }
    }

    async fn carry_out(&self, route: &Route, body: Bytes) -> Result<Done, Refused> {
        let Self { service, head, .. } = *self;
        let right = match route.operation {
            Operation::Send => auth::Right::Send,
            _ => auth::Right::Listen,
        };
        let entity = service.authorized_entity(head, route, right)?;
        if route.operation == Operation::Send {
            let sent = send::send(entity, route, head, &body, service.tier);
            return sent.map_err(Check::Message.refuses());
        }
        let received = match route.operation {
            _ if !body.is_empty() => {
                Err(Refusal::bad_request("A request to receive or settle has no body."))
            }
            Operation::ReceiveAndDelete | Operation::PeekLock => {
                receive::receive(entity, route, head).await
            }
            _ => receive::settle(entity, route, self.plan.loses_lock),
        };
        received.map_err(Check::Receipt.refuses())
    }

    fn error(&self, refusal: &Refusal) -> Response {
        let host = auth::host(&self.head.authority);
        let system = match &self.target {
            Target::Data(Ok(route)) => format!("{host}:{}", route.entity),
            _ => host.to_owned(),
        };
        Response::error(refusal, &system, Timestamp::now())
    }

    fn note(&self, status: Option<u16>, failed: Option<Check>, verdict: String) {
        let form: Option<Form> = match &self.target {
            Target::Data(Ok(Route { operation: Operation::Send, .. })) => {
                Some(wire::form(&self.head.headers))
            }
            _ => None,
        };
        let asked = Asked::Http(self.head.clone());
        let at = Timestamp::now();
        let entry = Entry { number: 0, at, asked, status, condition: None, failed, verdict, form };
        self.service.journal.lock().note(entry);
    }
}
