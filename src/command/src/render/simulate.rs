//! Takes a request through the filter's own core, with an Envoy and a Service Bus that do what is
//! hoped for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::delivery::Sender;
use envoy_service_bus::delivery::{Delivery, Effect, StreamId, Submission};
use envoy_service_bus::exchange::{Exchange, Step};
use envoy_service_bus::http::Headers;
use envoy_service_bus::http::{Callout, Response};
use envoy_service_bus::reply::Reply;
use envoy_service_bus::shared::Shared;
use envoy_service_bus::template::Attributes;
use envoy_service_bus::time::Time;

use super::request::Request;

/// What surrounds a request.
pub(super) struct World {
    pub(super) now: Time,
    pub(super) attributes: Attributes,
    /// What a lookup finds.
    pub(super) found: Option<Vec<u8>>,
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Simulated {
    /// No route matches.
    Passed,
    /// The filter answers without a callout: it refuses the request, or shows its message.
    Answered { route: usize, reply: Reply },
    /// A callout leaves; the reply is that to its success, where it is known.
    Sent { route: usize, callout: Callout, message: bool, reply: Option<Reply> },
}

const STREAM: StreamId = StreamId(1);

/// Simulates a request.
pub(super) fn simulate(sender: &Rc<Sender>, request: Request, world: World) -> Option<Simulated> {
    let mut delivery = Delivery::new(Rc::clone(sender), Rc::new(Alone::default()), 1);
    let mut exchange = Exchange::new(Rc::clone(sender), Rc::clone(delivery.buffer()), random);
    let mut step = exchange.headers_arrived(request.headers);
    if matches!(step, Step::Wait | Step::Change(_)) {
        step = exchange.body_grew(request.body.len());
    }
    if matches!(step, Step::Wait) {
        step = exchange.request_ended(request.body, world.now, world.attributes);
    }
    let route = exchange.waiting_on();
    let success = match step {
        Step::Pass => return Some(Simulated::Passed),
        Step::Reply(reply, report) => {
            return Some(Simulated::Answered { route: report.route, reply });
        }
        // A request goes on after its message alone.
        Step::Wait | Step::Change(_) | Step::Forward(..) => return None,
        Step::Send(submission) => {
            let success = Success::Message(submission.clone());
            delivery.submit(STREAM, submission, world.now);
            success
        }
        Step::LookUp(inquiry) => {
            delivery.look_up(STREAM, inquiry, world.now);
            Success::Lookup(world.found)
        }
    };
    deliver(delivery, &mut exchange, &success, world.now).map(|(callout, reply)| Simulated::Sent {
        route: route.unwrap_or_default(),
        callout,
        message: matches!(success, Success::Message(_)),
        reply,
    })
}

/// What is waited for.
enum Success {
    Message(Submission),
    /// With what the lookup finds, if that is known.
    Lookup(Option<Vec<u8>>),
}

impl Success {
    /// The answer to a callout, and whether it is the one that counts.
    fn answer(&self, callout: &Callout) -> (bool, Option<Response>) {
        match self {
            Self::Lookup(found) => (true, found.clone().map(|body| answer("200", body))),
            Self::Message(submission) => {
                let own = callout.path == submission.entity.messages_path
                    && callout.authority == submission.destination.namespace;
                if own {
                    return (true, Some(answer("201", vec![])));
                }
                // A token service is asked first.
                let token = br#"{"access_token":"hidden","token_type":"Bearer","expires_in":3600}"#;
                (false, Some(answer("200", token.to_vec())))
            }
        }
    }
}

fn answer(status: &str, body: Vec<u8>) -> Response {
    let headers = [(":status", status), ("x-envoy-upstream-service-time", "1")];
    Response { headers: headers.into_iter().collect::<Headers>(), body }
}

fn deliver(
    mut delivery: Delivery,
    exchange: &mut Exchange,
    success: &Success,
    mut now: Time,
) -> Option<(Callout, Option<Reply>)> {
    let mut sent = None;
    loop {
        match delivery.poll() {
            Some(Effect::Dispatch(attempt, callout, _)) => {
                let (counts, answer) = success.answer(&callout);
                if counts {
                    sent = Some(callout);
                }
                let Some(answer) = answer else { return sent.map(|callout| (callout, None)) };
                delivery.answered(attempt, answer, now);
            }
            Some(Effect::Finish(_, settlement)) => {
                return match exchange.settled(settlement) {
                    Step::Reply(reply, _) => sent.map(|callout| (callout, Some(reply))),
                    // The reply is the backend's.
                    Step::Forward(..) => sent.map(|callout| (callout, None)),
                    _ => None,
                };
            }
            Some(Effect::Forget(_) | Effect::Tell(_)) => {}
            // A batch waits for company.
            None => {
                now += delivery.wake()?.max(Duration::from_millis(1));
                delivery.tick(now);
            }
        }
    }
}

/// What the only worker of a process has told itself.
#[derive(Debug, Default)]
struct Alone(RefCell<BTreeMap<String, (Vec<u8>, u32)>>);

impl Shared for Alone {
    fn load(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.0.borrow().get(key).cloned()
    }

    fn store(&self, key: &str, value: &[u8], version: Option<u32>) -> bool {
        let mut values = self.0.borrow_mut();
        let fits = values.get(key).map(|(_, stored)| *stored) == version;
        if fits {
            let next = version.map_or(1, |version| version.wrapping_add(1));
            values.insert(key.to_owned(), (value.to_vec(), next));
        }
        fits
    }
}

/// Bytes for ids; they need not be secret.
fn random() -> Option<[u8; 16]> {
    let half = || u128::from(RandomState::new().hash_one(0));
    Some((half() << 64 | half()).to_be_bytes())
}
