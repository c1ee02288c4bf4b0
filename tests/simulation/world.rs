//! One life: what happens when, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::delivery::StreamId;
use envoy_service_bus::http::Response;
use envoy_service_bus::time::Time;
use fastrand::Rng;

use super::breaker::{Breaker, By};
use super::broker::{Broker, Way};
use super::budget::Budget;
use super::callouts::Sent;
use super::common::START;
use super::ledger::Ledger;
use super::memory::Contended;
use super::replay::note;
use super::setup::{Setup, one_of};
pub(crate) use super::tally::Tally;
use super::worker::{Open, Worker};

/// All of one life.
pub(crate) struct World {
    pub(super) rng: Rng,
    pub(super) setup: Setup,
    pub(super) workers: Vec<Worker>,
    pub(super) broker: Broker,
    pub(super) ledger: Ledger,
    pub(super) breakers: BTreeMap<Way, Breaker>,
    /// Of each worker.
    pub(super) budgets: Vec<Budget>,
    /// Callouts that are to be answered, or might be.
    pub(super) sent: BTreeMap<By, Sent>,
    /// Lookups that are not settled.
    pub(super) lookups: BTreeSet<u32>,
    /// Messages and lookups of each worker that are not settled.
    pub(super) open: Vec<Open>,
    /// The request that must be told that there are too many.
    pub(super) too_many: Option<u32>,
    /// Time that no clock can change.
    pub(super) real: Duration,
    /// By how many milliseconds the wall clock was set.
    set: i64,
    pub(super) tally: Tally,
    to_come: BTreeMap<(Duration, u64), Happening>,
    serial: u64,
    pub(super) requests: u32,
    pub(super) last_request: Duration,
}

#[derive(Debug)]
pub(crate) enum Happening {
    Answer(By, Response),
    Leave(usize, StreamId),
    Request,
    SetClock,
    Weather,
}

/// After the last request everything is settled within this time: the longest timeout, and twice
/// the time until forgotten callouts are looked for.
const QUIET_WITHIN: Duration = Duration::from_secs(30);
/// Those that the broker's moods are drawn for.
const CLUSTERS: [&str; 6] = ["contoso", "egress", "north", "fabrikam", "tokens", "store"];

impl World {
    pub(crate) fn new(seed: u64, requests: u32) -> Self {
        let mut rng = Rng::with_seed(seed);
        let setup = Setup::draw(&mut rng);
        let memory = Rc::new(Contended::new(seed, setup.contention));
        let workers = (0..setup.workers)
            .map(|_| Worker::new(&setup.sender, memory.clone(), rng.u64(..)))
            .collect();
        let config = setup.sender.delivery;
        note(|| format!("{config:#?}"));
        Self {
            open: vec![Open::default(); setup.workers],
            budgets: (0..setup.workers).map(|_| Budget::new(config.retries)).collect(),
            ledger: Ledger::new(config, setup.allow_duplicates),
            rng,
            setup,
            workers,
            broker: Broker::default(),
            breakers: BTreeMap::new(),
            sent: BTreeMap::new(),
            lookups: BTreeSet::new(),
            too_many: None,
            real: Duration::ZERO,
            set: 0,
            tally: Tally::default(),
            to_come: BTreeMap::new(),
            serial: 0,
            requests,
            last_request: Duration::ZERO,
        }
    }

    /// Lives it to its end.
    pub(crate) fn run(mut self) -> Tally {
        self.later(Duration::ZERO, Happening::Weather);
        self.later(Duration::ZERO, Happening::Request);
        if self.setup.jumps {
            self.later(Duration::from_millis(50), Happening::SetClock);
        }
        while !self.is_over() {
            self.tally.events += 1;
            let bell =
                self.workers.iter().enumerate().filter_map(|(w, it)| Some((it.rings_at?, w)));
            let bell = bell.min();
            let next = self.to_come.first_key_value().map(|(key, _)| *key);
            match (bell, next) {
                (Some((at, worker)), next) if next.is_none_or(|(due, _)| at <= due) => {
                    self.real = self.real.max(at);
                    self.ring(worker);
                }
                (_, Some(key)) => {
                    self.real = self.real.max(key.0);
                    if let Some(happening) = self.to_come.remove(&key) {
                        self.happen(happening);
                    }
                }
                (_, None) => panic!("work that nothing will wake"),
            }
        }
        self.close()
    }

    fn is_over(&self) -> bool {
        if self.requests > 0 || !self.to_come.is_empty() {
            return false;
        }
        let quiet = self.workers.iter().all(|worker| worker.delivery.is_quiet());
        let late = self.real > self.last_request + QUIET_WITHIN;
        assert!(quiet || !late, "work that never ends: {:?}", self.open);
        quiet
    }

    fn close(mut self) -> Tally {
        for worker in 0..self.workers.len() {
            self.fall_asleep(worker);
        }
        for (worker, open) in self.workers.iter().zip(&self.open) {
            assert_eq!(*open, Open::default());
            assert_eq!(worker.delivery.in_flight(), 0);
            assert_eq!(worker.delivery.buffered_bytes(), 0);
            assert!(worker.exchanges.is_empty(), "clients without an answer");
        }
        assert!(self.lookups.is_empty(), "lookups without an end");
        self.ledger.close(&self.broker);
        self.tally
    }

    /// Who has nothing to do wants to be left alone, but for tokens that are to be renewed.
    fn fall_asleep(&mut self, worker: usize) {
        // Timers of what has ended meanwhile are still to come.
        for _ in 0..100 {
            let Some(wake) = self.workers[worker].delivery.wake() else { return };
            self.real += wake;
            self.ring(worker);
        }
        let wake = self.workers[worker].delivery.wake();
        assert!(wake.is_none() || self.setup.fetches_tokens, "no rest: {wake:?}");
    }

    /// What both clocks say.
    pub(super) fn now(&self) -> Time {
        let set = Duration::from_millis(self.set.unsigned_abs());
        let Time { wall, monotonic } = START + self.real;
        Time { wall: if self.set < 0 { wall - set } else { wall + set }, monotonic }
    }

    pub(super) fn later(&mut self, wait: Duration, happening: Happening) {
        self.serial += 1;
        self.to_come.insert((self.real + wait, self.serial), happening);
    }

    pub(super) fn note(&self, line: impl FnOnce() -> String) {
        note(|| format!("{:>12.6} {}", self.real.as_secs_f64(), line()));
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.rng.u64(0..=u64::try_from(most.as_micros()).unwrap()))
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Answer(by, answer) => self.answer(by, &answer),
            Happening::Leave(worker, stream) => {
                self.note(|| format!("w{worker}: client {} leaves", stream.0));
                let left = self.workers[worker].exchanges.remove(&stream).is_some();
                self.tally.left += u64::from(left);
            }
            Happening::Request => {
                if self.requests == 0 {
                    return;
                }
                self.requests -= 1;
                self.last_request = self.real;
                let (worker, stream) = self.request();
                if self.rng.u8(0..20) == 0 {
                    let wait = self.up_to(Duration::from_millis(30));
                    self.later(wait, Happening::Leave(worker, stream));
                }
                // In bursts, as it happens.
                let burst = self.rng.u8(0..4) == 0;
                let pause = if burst { Duration::ZERO } else { self.up_to(self.setup.pause) };
                self.later(pause, Happening::Request);
            }
            Happening::SetClock => {
                let seconds = one_of(&mut self.rng, &[-7200, -60, -6, -4, 1, 4, 60, 7200]);
                self.set += seconds * 1000;
                self.tally.clocks_set += 1;
                self.note(|| format!("the clock is set by {seconds} s"));
                self.again(Duration::from_secs(10), Happening::SetClock);
            }
            Happening::Weather => {
                let name = one_of(&mut self.rng, &CLUSTERS);
                let mood = self.broker.turn(name, self.setup.fair, &mut self.rng);
                self.note(|| format!("{name} is {mood:?}"));
                self.again(self.setup.weather, Happening::Weather);
            }
        }
    }

    fn again(&mut self, most: Duration, happening: Happening) {
        if self.requests > 0 {
            let wait = self.up_to(most);
            self.later(wait, happening);
        }
    }

    /// Envoy's timer calls a worker.
    fn ring(&mut self, worker: usize) {
        let now = self.now();
        self.workers[worker].has_fired();
        self.workers[worker].delivery.tick(now);
        self.give_up_the_forgotten(worker);
        self.settle_down(worker);
    }
}
