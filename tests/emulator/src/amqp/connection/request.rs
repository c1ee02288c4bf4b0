//! Requests to `$cbs` and `$management`, and where their answers go.

use std::sync::Arc;

use bytes::Bytes;

use super::about::Wanted;
use super::accept::answers_to;
use super::attach::check;
use super::link::{End, Link, Source, Target};
use super::{Connection, Failure, MAX_RESPONSE_BYTES, faults};
use crate::amqp::codec::{Value, encode};
use crate::amqp::error::{AmqpError, condition};
use crate::amqp::management::{self, Context, Response};
use crate::amqp::message::Sections;
use crate::amqp::node::{Address, Place};
use crate::broker::{Entity, SessionLock, SubQueue, Timestamp};
use crate::service::{Check, Ending, Plan};

/// What of a request decides about its answer.
struct Request {
    message_id: Value,
    reply_to: Box<str>,
    properties: Value,
    body: Value,
}

impl Request {
    fn parse(payload: &Bytes) -> Result<Self, AmqpError> {
        let malformed = |reason: String| AmqpError::new(condition::DECODE_ERROR, reason);
        let sections = Sections::parse(payload).map_err(|error| malformed(error.to_string()))?;
        let body = sections.value().map_err(|error| malformed(error.to_string()))?;
        let fields = match sections.properties {
            Some((Value::List(fields), _)) => fields,
            _ => Vec::new(),
        };
        Ok(Self {
            message_id: fields.first().cloned().unwrap_or(Value::Null),
            reply_to: fields.get(4).and_then(Value::as_text).unwrap_or_default().into(),
            properties: sections.application_properties.map_or(Value::Null, |(map, _)| map),
            body: body.unwrap_or(Value::Null),
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.properties.get(name)?.as_text()
    }
}

/// An encoded answer. The id is answered in its own type: SDKs compare.
fn answer(request: &Request, status: Vec<(&str, Value)>, body: Value) -> Bytes {
    let mut properties = vec![Value::Null; 5];
    properties.push(request.message_id.clone());
    let described =
        |code: u64, value: Value| Value::Described(Box::new((Value::Ulong(code), value)));
    let mut out = Vec::new();
    encode(&Value::described_list(0x73, properties), &mut out);
    encode(&described(0x74, Value::string_map(status)), &mut out);
    encode(&described(0x77, body), &mut out);
    out.into()
}

impl Connection {
    /// Does what a request asks and puts the answer on its link.
    pub(super) fn request(
        &mut self,
        channel: u16,
        target: &Target,
        payload: &Bytes,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<Result<(), AmqpError>, Failure> {
        let links = self.sessions.values().flat_map(|session| session.links.values());
        if links.map(Link::response_bytes).sum::<usize>() > MAX_RESPONSE_BYTES {
            let reason = "too many answers were left unread";
            let error = AmqpError::new(condition::RESOURCE_LIMIT_EXCEEDED, reason);
            return Err(Failure::Connection(error));
        }
        Ok(self.answer(channel, target, payload, plan, now))
    }

    fn answer(
        &mut self,
        channel: u16,
        target: &Target,
        payload: &Bytes,
        plan: &Plan,
        now: Timestamp,
    ) -> Result<(), AmqpError> {
        let request = Request::parse(payload)?;
        let (place, response) = match target {
            Target::Management(entity, part) => {
                let response = self.manage(channel, entity, *part, &request, plan, now);
                (Place::Management(*part), response)
            }
            _ => (Place::Cbs, self.put_token(&request, now)),
        };
        let path = match target {
            Target::Management(entity, _) => entity.path(),
            _ => "",
        };
        if matches!(plan.ending, Some(Ending::Stall { .. })) {
            return Ok(());
        }
        let Some(session) = self.sessions.get_mut(&channel) else { return Ok(()) };
        let is_at = |link: &Link| {
            let Address { entity, place: at, .. } = &link.address;
            matches!(link.end, End::Sends(_)) && *at == place && entity.eq_ignore_ascii_case(path)
        };
        let mut there = session.links.iter().filter(|(_, link)| is_at(link));
        let named = there.clone().find(|(_, link)| answers_to(link, &request.reply_to));
        match named.or_else(|| there.next()).map(|(handle, _)| *handle) {
            Some(handle) => session.respond(handle, response),
            None => {
                return Err(AmqpError::new(
                    condition::NOT_FOUND,
                    "There is no link in this session that the answer could go to.",
                ));
            }
        }
        Ok(())
    }

    fn put_token(&mut self, request: &Request, now: Timestamp) -> Bytes {
        let audience = request.text("name").unwrap_or_default();
        let refused = match (request.text("operation"), request.text("name"), &request.body) {
            (Some("put-token"), Some(audience), Value::String(token)) => {
                let trusted = self.about.service.trusted().lock();
                let put = self.tokens.put(audience, token, &self.about.host, &trusted, now);
                put.err().map(|refusal| (i32::from(refusal.status), refusal.detail))
            }
            _ => Some((400, "Expected put-token with a name and a token.".to_owned())),
        };
        let error = refused
            .as_ref()
            .map(|(_, reason)| AmqpError::new(condition::UNAUTHORIZED, reason.as_str()));
        let wanted = Wanted {
            operation: "put_token",
            address: audience,
            form: None,
            check: Check::Authorization,
        };
        self.about.note(wanted, error.as_ref().map_or(Ok("accepted"), Err), now);
        // Older SDKs for Java insist on 202.
        let (status, description) = refused.unwrap_or_else(|| (202, "Accepted".to_owned()));
        let status = vec![
            ("status-code", Value::Int(status)),
            ("status-description", Value::string(description)),
        ];
        answer(request, status, Value::Null)
    }

    fn manage(
        &self,
        channel: u16,
        entity: &Entity,
        part: SubQueue,
        request: &Request,
        plan: &Plan,
        now: Timestamp,
    ) -> Bytes {
        let operation = request.text("operation").unwrap_or_default();
        let address = Address::management(entity.path(), part);
        let right = management::right(operation);
        let trusted = self.about.service.trusted().lock();
        let granted = self.tokens.authorize(&address, right, &self.about.host, &trusted, now);
        drop(trusted);
        let response = granted.and_then(|_| {
            let link = request.text("associated-link-name");
            let session = |id: Option<&str>| self.held_session(channel, entity, id, link);
            let rules = self.about.service.rules(entity);
            let tier = self.about.service.tier();
            let context = Context { entity, rules, part, session: &session, tier, now };
            if plan.loses_lock {
                management::lose_locks(&request.body, &context);
            }
            match plan.carries_out() {
                true => management::carry_out(operation, &request.body, &context),
                false => Ok(Response::none()),
            }
        });
        let fault = plan.ending.as_ref().and_then(faults::refusal);
        let response = response.and_then(|response| fault.map_or(Ok(response), Err));
        let wanted = Wanted {
            operation: operation.strip_prefix("com.microsoft:").unwrap_or(operation),
            address: &address.path.join("/"),
            form: None,
            check: check(plan, Check::Receipt),
        };
        self.about.note(wanted, response.as_ref().map(|_| "done"), now);
        let Response { status, description, condition, body } =
            response.unwrap_or_else(Response::from);
        let mut properties = vec![
            ("statusCode", Value::Int(status)),
            ("statusDescription", Value::string(description)),
        ];
        if let Some(condition) = condition {
            properties.push(("errorCondition", Value::symbol(condition)));
        }
        answer(request, properties, body)
    }

    /// The lock that this connection holds on a session: on the link that is named, else on any.
    /// A request without a session (Go's) is about that of the link that it names.
    fn held_session(
        &self,
        channel: u16,
        entity: &Entity,
        id: Option<&str>,
        link: Option<&str>,
    ) -> Option<SessionLock> {
        let Entity::Queue(queue) = entity else { return None };
        let lock = |link: &Link| match &link.end {
            End::Sends(sends) => match &sends.source {
                Source::Queue { entity, session: Some(lock), .. }
                    if Arc::ptr_eq(entity, queue) && id.is_none_or(|id| *lock.id == *id) =>
                {
                    Some(lock.clone())
                }
                _ => None,
            },
            _ => None,
        };
        let own = self.sessions.get(&channel).into_iter();
        let all = own.chain(self.sessions.values()).flat_map(|session| session.links.values());
        let mut held = all.filter_map(|link| Some((&*link.name, lock(link)?)));
        let named = held.clone().find(|(name, _)| Some(*name) == link);
        named.or_else(|| id.and_then(|_| held.next())).map(|(_, lock)| lock)
    }
}
