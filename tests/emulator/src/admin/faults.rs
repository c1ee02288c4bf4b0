//! Faults as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::entities;
use crate::refusal::Refusal;
use crate::service::{Armed, Ending, Fault, Moment, Operation, Service};
use crate::wire::json as strict;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    entity: Option<String>,
    operation: Option<String>,
    fault: FaultOrder,
    count: Option<u64>,
    probability: Option<f64>,
    seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    status: Option<u16>,
    condition: Option<String>,
    detail: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    delay: Option<String>,
    stall: Option<bool>,
    lose_lock: Option<bool>,
    reset: Option<String>,
    #[serde(default)]
    store: bool,
}

/// Arms a fault.
pub(super) fn arm(service: &Service, body: &[u8]) -> Result<Value, Refusal> {
    let description =
        strict::parse(body).map_err(|error| Refusal::bad_request(error.to_string()))?;
    let order = Order::deserialize(&description)
        .map_err(|error| Refusal::bad_request(error.to_string()))?;
    if let Some(entity) = &order.entity {
        entities::exists(service, entity)?;
    }
    let operation = order.operation.as_deref();
    let operation =
        operation.map(|name| named(name, "operation", &Operation::NAMES)).transpose()?;
    if order.probability.is_some_and(|chance| !(0.0..=1.0).contains(&chance)) {
        return Err(Refusal::bad_request("probability: expected a number from 0 to 1"));
    }
    let draws = order.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    service.faults().lock().arm(Armed {
        entity: order.entity.map(|path| path.to_lowercase()),
        operation,
        fault: fault(order.fault)?,
        remaining: order.count,
        chance: order.probability.map(|probability| (probability, draws)),
        fired: 0,
        description,
    });
    Ok(json!({}))
}

fn fault(order: FaultOrder) -> Result<Fault, Refusal> {
    let FaultOrder { status, condition, detail, headers, delay, stall, lose_lock, reset, store } =
        order;
    // Over HTTP a fault of AMQP is that the server is busy.
    let status = status.or_else(|| condition.as_ref().map(|_| 503));
    let kinds =
        [status.is_some(), delay.is_some(), stall.is_some(), lose_lock.is_some(), reset.is_some()];
    if kinds.into_iter().filter(|given| *given).count() != 1 {
        return Err(Refusal::bad_request(
            "fault: expected exactly one of status or condition, delay, stall, lose_lock, reset",
        ));
    }
    if status.is_none() && (detail.is_some() || headers.is_some()) {
        return Err(Refusal::bad_request("fault: detail and headers belong to a status"));
    }
    if store && (delay.is_some() || reset.is_some() || lose_lock.is_some()) {
        return Err(Refusal::bad_request("fault: store belongs to a status or a stall"));
    }
    if stall == Some(false) {
        return Err(Refusal::bad_request("fault.stall: expected true"));
    }
    if let Some(lose_lock) = lose_lock {
        return match lose_lock {
            true => Ok(Fault::LoseLock),
            false => Err(Refusal::bad_request("fault.lose_lock: expected true")),
        };
    }
    if let Some(text) = delay {
        return Ok(Fault::Delay(duration(&text)?));
    }
    Ok(Fault::Ending(match (status, reset) {
        (Some(status), _) if (300..=599).contains(&status) && status != 304 => Ending::Status {
            status,
            condition: condition.unwrap_or_else(|| default_condition(status).to_owned()),
            detail: detail.unwrap_or_else(|| default_detail(status).to_owned()),
            headers: header_lines(headers.unwrap_or_default())?,
            store,
        },
        (Some(_), _) => {
            return Err(Refusal::bad_request(
                "fault.status: expected a number from 300 to 599 whose answer has a body",
            ));
        }
        (None, Some(moment)) => Ending::Reset(named(&moment, "fault.reset", &Moment::NAMES)?),
        (None, None) => Ending::Stall { store },
    }))
}

/// A header that is no header would break the answer's framing instead of the client's nerve.
fn header_lines(headers: BTreeMap<String, String>) -> Result<Vec<(String, String)>, Refusal> {
    for (name, value) in &headers {
        let valid = http::HeaderName::from_bytes(name.as_bytes()).is_ok()
            && http::HeaderValue::from_str(value).is_ok();
        if !valid {
            return Err(Refusal::bad_request(format!("fault.headers.{name}: it is no header")));
        }
    }
    Ok(headers.into_iter().collect())
}

/// What AMQP says in place of a status.
const fn default_condition(status: u16) -> &'static str {
    match status {
        401 => "amqp:unauthorized-access",
        403 => "amqp:resource-limit-exceeded",
        404 | 410 => "amqp:not-found",
        400..=428 => "com.microsoft:argument-error",
        429 | 503 => "com.microsoft:server-busy",
        _ => "amqp:internal-error",
    }
}

/// What Azure says with that status, as far as it is known.
const fn default_detail(status: u16) -> &'static str {
    match status {
        401 => "40103: Invalid authorization token signature.",
        403 => {
            "The maximum entity size has been reached or exceeded: the quota of the entity is used up."
        }
        404 => "40400: The messaging entity could not be found.",
        410 => "The messaging entity is gone.",
        429 | 503 => {
            "The request was terminated because the entity is being throttled. Error code: 50009. \
             Please wait 2 seconds and try again."
        }
        _ => "The server was unable to process the request; please retry the operation.",
    }
}

fn named<T: Copy>(text: &str, place: &str, names: &[(&str, T)]) -> Result<T, Refusal> {
    names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<_> = names.iter().map(|(name, _)| *name).collect();
        let known = known.join(", ");
        Refusal::bad_request(format!("{place}: expected one of {known}, found {text:?}"))
    })
}

fn duration(text: &str) -> Result<Duration, Refusal> {
    let wrong = || {
        Refusal::bad_request(format!(
            "fault.delay: expected a duration such as \"250ms\" or \"2s\", found {text:?}"
        ))
    };
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(split);
    let milliseconds = match unit {
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * milliseconds / 1000.0).map_err(|_| wrong())
}

/// The armed faults in their order, spent ones too.
pub(super) fn list(service: &Service) -> Value {
    let faults = service.faults().lock();
    faults
        .iter()
        .map(|armed| {
            json!({
                "order": armed.description,
                "fired": armed.fired,
                "remaining": armed.remaining,
            })
        })
        .collect()
}

/// Disarms every fault.
pub(super) fn clear(service: &Service) -> Value {
    service.faults().lock().clear();
    json!({})
}
