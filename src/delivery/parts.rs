//! What is sent apart: messages with little time left, and the halves of a refused batch.

use std::rc::Rc;

use super::destination_state::is_late;
use super::event::Namespace;
use super::outbound::{Budget, OutboundRequest};
use super::{Delivery, Event, OutboundId, Timer};
use crate::outcome::{Failure, Reason};

impl Delivery {
    /// Sends those on their own that have little time left.
    pub(super) fn send_short(&mut self, mut short: OutboundRequest) {
        self.repeated += usize::from(short.budget.is_repeated());
        self.parts_on_their_way += usize::from(short.budget.is_part());
        short.drop_copy_of_one();
        self.send_new(Some(short));
    }

    /// Has the halves of a refused batch sent again, so that in the end a bad message fails alone.
    pub(super) fn halve(&mut self, mut request: OutboundRequest) {
        let halves = request.halves();
        self.end(request);
        for mut half in halves {
            half.drop_copy_of_one();
            let id = OutboundId(self.next_id());
            if let Some(deadline) = half.deadline() {
                self.timers.insert((deadline, Timer::Part(id)));
            }
            self.outbound.insert(id, half);
            self.parts.insert(id);
        }
    }

    /// Sends parts of refused batches, as many as the retry budget lets: a client who sends bad
    /// messages must not take the others' place. One at a time may always go.
    pub(super) fn send_parts(&mut self) {
        let retries = self.sender.delivery.retries;
        while let Some(&id) = self.parts.first() {
            let callouts = self.outbound.len().saturating_sub(self.parts.len());
            let affordable = retries.affords(self.repeated, callouts);
            if self.parts_on_their_way > 0 && !affordable {
                return;
            }
            self.parts.remove(&id);
            let Some(part) = self.outbound.get_mut(&id) else { continue };
            part.budget = Budget::Part;
            self.repeated += 1;
            self.parts_on_their_way += 1;
            let state = self.states.get(part.state).map(|state| Rc::clone(&state.destination));
            if let Some(destination) = state {
                self.tell(Event::Halved { namespace: Namespace(destination) });
            }
            self.send(id);
        }
    }

    /// Tells those whose time is over before their part could be sent.
    pub(super) fn expire_part(&mut self, id: OutboundId) {
        let now = self.time.monotonic;
        let Some(part) = self.outbound.get_mut(&id).filter(|_| self.parts.contains(&id)) else {
            return;
        };
        let late = part.remove(|pending| is_late(pending, now));
        match part.deadline() {
            Some(deadline) => {
                self.timers.insert((deadline, Timer::Part(id)));
            }
            None => {
                self.parts.remove(&id);
                self.outbound.remove(&id);
            }
        }
        for pending in late {
            let failure = Failure::new(Reason::Overloaded, "could not be sent again in time");
            self.fail_message(pending, failure);
        }
    }
}
