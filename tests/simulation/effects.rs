//! What a worker wants done, and the laws that hold after each event.

use envoy_service_bus::delivery::{Effect, Event, StreamId};
use envoy_service_bus::exchange::{Exchange, Step};
use envoy_service_bus::outcome::{Failure, Outcome, Reason, SendResult};

use super::breaker::Breaker;
use super::replay::{in_short, told};
use super::worker::{Bytes, Open};
use super::world::World;

impl World {
    /// Does what a worker wants, and holds it to its laws.
    pub(super) fn settle_down(&mut self, worker: usize) {
        while let Some(effect) = self.workers[worker].delivery.poll() {
            match effect {
                Effect::Dispatch(attempt, callout, taken) => {
                    if self.dispatch((worker, attempt), callout) {
                        taken.iter().for_each(|event| self.tell(worker, event));
                    }
                }
                Effect::Forget(attempt) => self.forget((worker, attempt)),
                Effect::Finish(stream, settlement) => self.settle(worker, stream, settlement),
                Effect::Tell(event) => self.tell(worker, &event),
            }
        }
        let delivery = &self.workers[worker].delivery;
        self.budgets[worker].rest(delivery.time());
        let Open { count, bytes } = self.open[worker];
        let config = &self.setup.sender.delivery;
        let all = delivery.buffered_bytes();
        let requests = self.workers[worker].exchanges.values().map(Exchange::held_bytes);
        let held = all - requests.sum::<usize>();
        assert_eq!(delivery.in_flight(), count);
        assert!((bytes.least..=bytes.most).contains(&held), "{held} bytes are held: {bytes:?}");
        assert!(count <= config.max_in_flight && all <= config.max_buffered_bytes);
        self.breakers.values().for_each(Breaker::rest);
        self.workers[worker].arm(self.real);
    }

    fn settle(&mut self, worker: usize, stream: StreamId, settlement: SendResult) {
        let id = stream.0;
        self.note(|| format!("w{worker}: {id} is told {}", told(&settlement.outcome)));
        let time = self.workers[worker].delivery.time();
        let size = if self.lookups.remove(&id) {
            Bytes::default()
        } else {
            let too_many = self.too_many == Some(id);
            let (own, size) = self.ledger.settled(id, &settlement, &self.broker, time, too_many);
            assert_eq!(own, worker, "{id} is told by another worker");
            size
        };
        let reason = match &settlement.outcome {
            Outcome::Failed(failure) => Some(failure.reason),
            Outcome::Accepted | Outcome::Found(_) => None,
        };
        let late = self.ledger.is_late(id, time);
        let too_many = self.too_many == Some(id);
        if too_many {
            assert_eq!(reason, Some(Reason::Overloaded), "{id}");
        } else if reason == Some(Reason::Overloaded) {
            let refused = self.ledger.was_over_limits(id);
            assert!(late || refused, "{id} is one too many among few");
        }
        if too_many {
            self.too_many = None;
        } else {
            self.open[worker].count -= 1;
            self.open[worker].bytes -= size;
        }
        if let Outcome::Failed(Failure { reason: Reason::CircuitOpen, retry_after, .. }) =
            settlement.outcome
        {
            let (way, _) = self.ledger.destination(id, settlement.served);
            let breaker = self.breakers.get(way).unwrap_or_else(|| panic!("{way:?} has none"));
            breaker.refused(retry_after, self.now().monotonic);
            self.tally.breaker_refused += 1;
        }
        self.tally.told(reason);
        self.budgets[worker].settled(id);
        self.reply(worker, stream, settlement);
    }

    /// What its client gets, if it is still there.
    fn reply(&mut self, worker: usize, stream: StreamId, settlement: SendResult) {
        let Some(mut exchange) = self.workers[worker].exchanges.remove(&stream) else { return };
        let expected = match &settlement.outcome {
            Outcome::Accepted => 202,
            Outcome::Found(_) => 200,
            Outcome::Failed(failure) => failure.reason.status(),
        };
        let Step::Reply(reply, _) = exchange.settled(settlement) else { panic!("no reply") };
        assert_eq!(reply.status, expected);
    }

    fn tell(&mut self, worker: usize, event: &Event) {
        self.note(|| format!("w{worker}: {}", in_short(event)));
        let now = self.now().monotonic;
        let namespace = event.namespace();
        let way = (namespace.as_str().to_owned(), namespace.cluster().to_owned());
        let breaker = self.breakers.get_mut(&way);
        match event {
            Event::BreakerOpened { .. } => breaker.unwrap().opened(now),
            Event::BreakerClosed { .. } => breaker.unwrap().closed(),
            Event::Repeated { wait, .. } => {
                let due = self.workers[worker].delivery.time() + *wait;
                self.budgets[worker].repeated(due);
            }
            Event::Sent { .. }
            | Event::FellBack { .. }
            | Event::Halved { .. }
            | Event::Credentials { .. } => {}
        }
        self.tally.event(event);
    }
}
