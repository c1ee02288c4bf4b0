//! A broker that decides what becomes of a send, and knows what it has stored.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use envoy_service_bus::http::{Callout, Response};
use envoy_service_bus::message::BATCH_CONTENT_TYPE;
use fastrand::Rng;
use serde_json::Value as Json;

use super::common::delivery::{
    answer, answer_saying, not_connected, over_limits, proxy_answer, timed_out,
};
use super::setup::one_of;

/// Namespace, and the cluster that leads there.
pub(crate) type Way = (String, String);
/// Way and entity.
pub(crate) type Address = (Way, String);

/// A message as it came.
pub(crate) struct Received {
    pub(crate) id: u32,
    pub(crate) body: String,
}

/// What a way is like for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Crowded,
    Failing,
    Fair,
    Forbidding,
    Mixed,
    /// Something on the way answers, whether the message has come through or not.
    Proxied,
    Refusing,
    Silent,
    Throttling,
    Unreachable,
}

/// What becomes of a send.
#[derive(Debug)]
pub(crate) struct Fate {
    pub(crate) stores: bool,
    /// `None`: Envoy never tells.
    pub(crate) answer: Option<(Duration, Response)>,
}

#[derive(Default)]
pub(crate) struct Broker {
    stored: BTreeSet<(Address, u32)>,
    moods: BTreeMap<String, Mood>,
}

const MOODS: [Mood; 9] = [
    Mood::Crowded,
    Mood::Failing,
    Mood::Forbidding,
    Mood::Mixed,
    Mood::Proxied,
    Mood::Refusing,
    Mood::Silent,
    Mood::Throttling,
    Mood::Unreachable,
];

impl Broker {
    /// A cluster's mood changes.
    pub(crate) fn turn(&mut self, cluster: &str, fair: u32, rng: &mut Rng) -> Mood {
        let mood = if rng.u32(0..100) < fair { Mood::Fair } else { one_of(rng, &MOODS) };
        self.moods.insert(cluster.to_owned(), mood);
        mood
    }

    pub(crate) fn has(&self, address: &Address, id: u32) -> bool {
        self.stored.contains(&(address.clone(), id))
    }

    pub(crate) fn store(&mut self, address: &Address, messages: &[Received]) {
        self.stored.extend(messages.iter().map(|message| (address.clone(), message.id)));
    }

    /// Whether Envoy finds nobody to send to.
    pub(crate) fn is_away(&self, cluster: &str, rng: &mut Rng) -> bool {
        self.mood(cluster) == Mood::Unreachable && rng.bool()
    }

    fn mood(&self, cluster: &str) -> Mood {
        self.moods.get(cluster).copied().unwrap_or(Mood::Fair)
    }

    pub(crate) fn fate(
        &self,
        cluster: &str,
        messages: &[Received],
        timeout: Duration,
        rng: &mut Rng,
    ) -> Fate {
        let drawn = Duration::from_micros(rng.u64(100..20_000));
        let delay = drawn.min(timeout);
        let mood = match self.mood(cluster) {
            Mood::Mixed => one_of(rng, &MOODS),
            mood if rng.u8(0..20) == 0 => one_of(rng, &[mood, Mood::Fair, Mood::Silent]),
            mood => mood,
        };
        let fate = |stores, answer| Fate { stores, answer: Some((delay, answer)) };
        let perhaps = rng.bool();
        match mood {
            Mood::Crowded => fate(false, over_limits()),
            Mood::Unreachable => fate(false, not_connected()),
            Mood::Silent => silence(perhaps, delay, timeout, rng),
            Mood::Throttling => fate(false, throttled(rng)),
            Mood::Forbidding => fate(false, answer("401")),
            Mood::Failing => {
                let status = one_of(rng, &["500", "502", "504", "408", "200", "307"]);
                fate(perhaps, answer(status))
            }
            Mood::Proxied => {
                let status = one_of(rng, &["500", "502", "503", "503", "504"]);
                fate(perhaps, proxy_answer(status))
            }
            Mood::Refusing => fate(false, refusal(rng)),
            Mood::Fair | Mood::Mixed => {
                if messages.iter().any(|message| message.body.contains("\"poison\":true")) {
                    return fate(false, answer(one_of(rng, &["400", "413"])));
                }
                if drawn >= timeout {
                    return Fate { stores: true, answer: Some((timeout, timed_out())) };
                }
                fate(true, answer("201"))
            }
        }
    }
}

/// No answer, or one that does not say what has happened.
fn silence(stores: bool, delay: Duration, timeout: Duration, rng: &mut Rng) -> Fate {
    let answer = match rng.u8(0..5) {
        0 => None,
        // Envoy's timeout and all patience are over by then.
        1 => Some((timeout + Duration::from_secs(20), answer("201"))),
        2 => Some((delay, Response::default())),
        _ => Some((timeout, timed_out())),
    };
    Fate { stores, answer }
}

fn throttled(rng: &mut Rng) -> Response {
    match rng.u8(0..5) {
        0 => asking("429", "1"),
        1 => asking("503", "3"),
        2 => answer_saying("500", "being throttled. Error code: 50009. Please wait 2 seconds and"),
        3 => answer("503"),
        _ => answer("429"),
    }
}

/// Throttled, with `Retry-After`.
fn asking(status: &str, seconds: &str) -> Response {
    let headers =
        [(":status", status), ("x-envoy-upstream-service-time", "1"), ("retry-after", seconds)];
    Response { headers: headers.into_iter().collect(), body: answer(status).body }
}

fn refusal(rng: &mut Rng) -> Response {
    match rng.u8(0..7) {
        0 => answer_saying("403", "The message exceeds the limit"),
        6 => answer_saying("500", "The SessionId was not set on a message"),
        1 => answer("403"),
        2 => answer("404"),
        3 => answer("410"),
        4 => answer("413"),
        _ => answer("400"),
    }
}

/// How long an answer asks to wait.
pub(crate) fn wish(answer: &Response) -> Duration {
    let body = String::from_utf8_lossy(&answer.body);
    let asked = answer.headers.first_text("retry-after").and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(if body.contains("Please wait 2 seconds") { 2 } else { 0 }))
}

/// Where a send goes.
pub(crate) fn address(callout: &Callout) -> Address {
    let path = header(callout, ":path").unwrap();
    let entity = path.strip_prefix('/').and_then(|path| path.strip_suffix("/messages")).unwrap();
    let namespace = header(callout, ":authority").unwrap().to_owned();
    ((namespace, callout.cluster.to_string()), entity.to_owned())
}

/// The messages of a send, as Service Bus reads them.
pub(crate) fn messages(callout: &Callout) -> Vec<Received> {
    if header(callout, "content-type") != Some(BATCH_CONTENT_TYPE) {
        let broker: Json =
            serde_json::from_str(header(callout, "brokerproperties").unwrap()).unwrap();
        let body = String::from_utf8(callout.body.to_vec()).unwrap();
        return vec![Received { id: id(&broker), body }];
    }
    let array: Vec<Json> = serde_json::from_slice(&callout.body).unwrap();
    let received = |element: &Json| Received {
        id: id(&element["BrokerProperties"]),
        body: element["Body"].as_str().unwrap().to_owned(),
    };
    array.iter().map(received).collect()
}

fn id(broker: &Json) -> u32 {
    broker["MessageId"].as_str().unwrap().parse().unwrap()
}

pub(crate) fn header<'a>(callout: &'a Callout, name: &str) -> Option<&'a str> {
    callout.header(name)
}
