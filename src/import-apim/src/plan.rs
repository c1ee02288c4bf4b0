//! What is done with some of the requests, and the merging of two such plans into one.

use serde_json::Value as Json;

use crate::flow::{Settings, State};
use crate::message::Message;
use crate::reply::Reply;
use crate::report::Report;
use crate::term::choice;
use crate::value::{Cel, Value};

/// A route without its conditions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) action: Action,
    pub(crate) answer: Answer,
    pub(crate) settings: Settings,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Send(Box<Message>),
    LookUp(Json),
}

/// Who answers the client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Filter(Reply),
    /// The backend; headers that it gets, and whether it gets the request after a failure too.
    Backend {
        headers: Vec<(String, Value)>,
        after_failure: bool,
    },
}

const NEVER_HIDDEN: &str = "a failure is told to the client by its reason: it never hears of success \
                            for a message that was not sent";

/// The plan at an end of the policy; `None` where nothing is sent.
pub(crate) fn plan(state: State<'_>, report: &mut Report) -> Option<Plan> {
    let State { scope, request, message, lookup, reply, settings, .. } = state;
    let Some(message) = message else {
        let (element, lookup) = lookup?;
        let Some(reply) = reply else {
            let why = "asks another service before the backend; the filter looks up only what it \
                       answers itself";
            report.skip(element, why);
            return None;
        };
        request.dismiss();
        return Some(Plan {
            action: Action::LookUp(lookup),
            answer: Answer::Filter(reply),
            settings,
        });
    };
    if let Some((element, _)) = lookup {
        let why = "a route sends one message, or looks one value up; the message stays";
        report.skip(element, why);
    }
    let answer = match reply {
        Some(reply) => {
            // A policy that looks at the outcome does not pass over a failure.
            if let Some(at) = message.ignores_errors.filter(|_| !scope.reads_outcome) {
                report.leave_out(at, "ignore-error", NEVER_HIDDEN);
            }
            request.dismiss();
            Answer::Filter(reply)
        }
        None => Answer::Backend {
            headers: request.forward(report),
            after_failure: message.ignores_errors.is_some(),
        },
    };
    Some(Plan { action: Action::Send(Box::new(message)), answer, settings })
}

/// One plan whose values depend on a condition, where two differ in nothing else.
pub(crate) fn merge(condition: &Cel, yes: &Plan, no: &Plan) -> Option<Plan> {
    let (Action::Send(one), Action::Send(other)) = (&yes.action, &no.action) else { return None };
    if yes.answer != no.answer
        || yes.settings != no.settings
        || one.kind != other.kind
        || one.namespace != other.namespace
        || one.credentials != other.credentials
        || one.timeout != other.timeout
    {
        return None;
    }
    let either = |yes: &Value, no: &Value| choice(&condition.operand(), yes, no);
    let optional = |yes: &Option<Value>, no: &Option<Value>| match (yes, no) {
        (None, None) => Some(None),
        (Some(yes), Some(no)) => either(yes, no).map(Some),
        _ => None,
    };
    let named = |yes: &[(String, Value)], no: &[(String, Value)]| {
        let value = |values: &[(String, Value)], name: &str| {
            let found = values.iter().find(|(other, _)| other == name);
            found.map_or(Value::Json(Json::Null), |(_, value)| value.clone())
        };
        let mut names: Vec<&String> = yes.iter().chain(no).map(|(name, _)| name).collect();
        names.dedup();
        let mut merged: Vec<(String, Value)> = vec![];
        for name in names {
            if !merged.iter().any(|(other, _)| other == name) {
                merged.push((name.clone(), either(&value(yes, name), &value(no, name))?));
            }
        }
        Some(merged)
    };
    let message = Message {
        entity: either(&one.entity, &other.entity)?,
        payload: optional(&one.payload, &other.payload)?,
        content_type: optional(&one.content_type, &other.content_type)?,
        broker_properties: named(&one.broker_properties, &other.broker_properties)?,
        properties: named(&one.properties, &other.properties)?,
        ..(**one).clone()
    };
    Some(Plan { action: Action::Send(Box::new(message)), ..yes.clone() })
}
