//! The workers of a fleet, their clients, and one clock for all of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::delivery::Sender;
use envoy_service_bus::delivery::{AttemptId, Delivery, Effect, StreamId, Submission};
use envoy_service_bus::http::{Callout, Response};
use envoy_service_bus::message::EntityConfig;
use envoy_service_bus::message::Outgoing;
use envoy_service_bus::outcome::{Outcome, SendResult};
use envoy_service_bus::route::Action;
use fastrand::Rng;
use serde_json::json;

use super::broker::Broker;
use super::common::START;
use super::common::configuration::sender;
use super::common::delivery::{message, timed_out};
use super::common::shared::Memory;
use super::report::Report;
use super::scenario::{Client, LOAD_TO, Scenario};

const PRIMARY: &str = "contoso.servicebus.windows.net";
/// How often a client sends the same again.
const MOST_TRIES: u32 = 4;
const LIMIT: usize = 262_144;

/// A client's request, and what has become of it.
#[derive(Clone, Debug)]
struct Request {
    id: String,
    tries: u32,
}

#[derive(Debug)]
enum Event {
    Arrival,
    Repetition(Request),
    Response(usize, AttemptId, Response),
    Wake(usize),
}

struct Worker {
    delivery: Delivery,
    wakes_at: Option<Duration>,
    requests: BTreeMap<u32, Request>,
}

pub(crate) struct Fleet {
    scenario: Scenario,
    sender: Rc<Sender>,
    workers: Vec<Worker>,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    events: BTreeMap<u64, Event>,
    last: u64,
    now: Duration,
    primary: Broker,
    second: Broker,
    rng: Rng,
    report: Report,
}

impl Fleet {
    pub(crate) fn run(scenario: Scenario) -> Report {
        let mut fleet = Self::new(scenario);
        fleet.schedule(Duration::ZERO, Event::Arrival);
        for worker in 0..fleet.workers.len() {
            let sometime = Duration::from_micros(fleet.rng.u64(0..1_000_000));
            fleet.schedule(sometime, Event::Wake(worker));
        }
        while let Some(Reverse((time, id))) = fleet.queue.pop() {
            fleet.now = time;
            if let Some(event) = fleet.events.remove(&id) {
                fleet.happen(event);
            }
            if time > LOAD_TO && fleet.workers.iter().all(|worker| worker.requests.is_empty()) {
                break;
            }
        }
        let Self { primary, second, mut report, .. } = fleet;
        report.stored = primary.messages + second.messages;
        report.duplicates = primary.duplicates + second.duplicates;
        report
    }

    fn new(scenario: Scenario) -> Self {
        let sender = sender(&configuration(scenario));
        let mut seed = 0;
        let mut workers = vec![];
        for _ in 0..scenario.envoys {
            let memory = Rc::new(Memory::default());
            for _ in 0..scenario.workers_of_each {
                seed += 1;
                let shared = Rc::clone(&memory);
                let delivery = Delivery::new(Rc::clone(&sender), shared, seed);
                workers.push(Worker { delivery, wakes_at: None, requests: BTreeMap::new() });
            }
        }
        Self {
            scenario,
            sender,
            workers,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            last: 0,
            now: Duration::ZERO,
            primary: Broker::default(),
            second: Broker::default(),
            rng: Rng::with_seed(7),
            report: Report::new(scenario),
        }
    }

    fn schedule(&mut self, at: Duration, event: Event) {
        self.last += 1;
        self.events.insert(self.last, event);
        self.queue.push(Reverse((at, self.last)));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrival => {
                if self.now < LOAD_TO {
                    let rate = f64::from(self.scenario.rate(self.now));
                    // The waits of a Poisson process.
                    let wait = -(1.0 - self.rng.f64()).ln() / rate;
                    self.schedule(self.now + Duration::from_secs_f64(wait), Event::Arrival);
                    let id = format!("r{}", self.last);
                    self.report.asked(self.now);
                    self.submit(Request { id, tries: 0 });
                }
            }
            Event::Repetition(request) => self.submit(request),
            Event::Response(worker, attempt, answer) => {
                let now = START + self.now;
                self.workers[worker].delivery.answered(attempt, answer, now);
                self.carry_out(worker);
            }
            Event::Wake(worker) => {
                if self.workers[worker].wakes_at.is_some_and(|at| at > self.now) {
                    return;
                }
                self.workers[worker].wakes_at = None;
                self.workers[worker].delivery.tick(START + self.now);
                self.carry_out(worker);
            }
        }
    }

    fn submit(&mut self, mut request: Request) {
        request.tries += 1;
        let worker = self.rng.usize(0..self.workers.len());
        self.last += 1;
        let stream = u32::try_from(self.last).unwrap_or(u32::MAX);
        let Action::Send(send, destination) = &self.sender.routes[0].action else {
            panic!("a lookup")
        };
        let EntityConfig::Fixed(entity) = &send.entity else { panic!("chosen by the request") };
        let message = message(&request.id, b"{}");
        let message = match self.scenario.is_batch {
            true => Outgoing::for_batch(message, LIMIT),
            false => Outgoing::new(message, LIMIT),
        };
        let submission = Submission {
            destination: Rc::clone(destination),
            entity: Rc::clone(entity),
            message: message.unwrap(),
            fallback: self.sender.routes[0].fallback.clone(),
        };
        self.report.submissions += 1;
        self.workers[worker].requests.insert(stream, request);
        self.workers[worker].delivery.submit(StreamId(stream), submission, START + self.now);
        self.carry_out(worker);
    }

    fn carry_out(&mut self, worker: usize) {
        while let Some(effect) = self.workers[worker].delivery.poll() {
            match effect {
                Effect::Dispatch(attempt, callout, _) => self.dispatch(worker, attempt, &callout),
                Effect::Finish(stream, settlement) => self.told(worker, stream.0, settlement),
                Effect::Forget(_) | Effect::Tell(_) => {}
            }
        }
        let held: usize = self.workers.iter().map(|one| one.delivery.buffered_bytes()).sum();
        self.report.held(held);
        if let Some(wait) = self.workers[worker].delivery.wake() {
            // Envoy's timer has milliseconds.
            let wait = Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(0) + 1);
            let at = self.now + wait;
            if self.workers[worker].wakes_at.is_none_or(|set| at < set) {
                self.workers[worker].wakes_at = Some(at);
                self.schedule(at, Event::Wake(worker));
            }
        }
    }

    fn dispatch(&mut self, worker: usize, attempt: AttemptId, callout: &Callout) {
        let ids = ids(callout);
        let is_primary = &*callout.authority == PRIMARY;
        self.report.sent(self.now, ids.len());
        let broker = if is_primary { &mut self.primary } else { &mut self.second };
        let (after, answer) =
            broker.callout(&self.scenario, is_primary, &ids, self.now, &mut self.rng);
        // Envoy does not wait for longer, whatever the broker has stored.
        let (after, answer) = match after > callout.timeout {
            true => (callout.timeout, timed_out()),
            false => (after, answer),
        };
        self.schedule(self.now + after, Event::Response(worker, attempt, answer));
    }

    fn told(&mut self, worker: usize, stream: u32, settlement: SendResult) {
        let Some(mut request) = self.workers[worker].requests.remove(&stream) else { return };
        let failure = match settlement.outcome {
            Outcome::Failed(failure) => failure,
            _ => return self.report.accepted(self.now),
        };
        self.report.failed += 1;
        if self.scenario.client == Client::Once || request.tries >= MOST_TRIES {
            self.report.given_up += 1;
            return;
        }
        if self.scenario.client == Client::WithoutKey {
            self.last += 1;
            request.id = format!("r{}", self.last);
        }
        // A client with manners adds jitter of its own to what it is told.
        let told = failure.retry_after.unwrap_or(5);
        let wait = Duration::from_secs(u64::from(told)).mul_f64(1.0 + self.rng.f64());
        self.schedule(self.now + wait, Event::Repetition(request));
    }
}

/// The ids of the messages that a callout carries.
fn ids(callout: &Callout) -> Vec<String> {
    const MARK: &str = "\"MessageId\":\"";
    let text = match callout.header("brokerproperties") {
        Some(properties) => properties.to_owned(),
        None => String::from_utf8(callout.body.to_vec()).unwrap(),
    };
    let parts = text.split(MARK).skip(1).filter_map(|part| part.split('"').next());
    parts.map(ToOwned::to_owned).collect()
}

fn configuration(scenario: Scenario) -> serde_json::Value {
    let mut route =
        json!({"name": "orders", "match": {"path": "/orders"}, "send": {"queue": "orders"}});
    if scenario.has_fallback {
        route["fallback"] = json!({
            "namespace": "fabrikam.servicebus.windows.net", "cluster": "second", "allow_duplicates": true
        });
    }
    let delivery = if scenario.is_batch { json!({"batch": {}}) } else { json!({}) };
    json!({
        "namespace": PRIMARY, "cluster": "servicebus", "credentials": {"upstream": {}},
        "delivery": delivery, "routes": [route]
    })
}
