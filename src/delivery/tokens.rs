//! Tokens that are fetched: ahead of need, and for those that wait.

use std::rc::Rc;

use super::event::Namespace;
use super::{Delivery, Event, Purpose};
use crate::http::{Answer, DispatchError};

impl Delivery {
    /// Lets each signer look after its token, and sends what has waited for one.
    pub(super) fn renew_tokens(&mut self) {
        for way in 0..self.ways.len() {
            self.renew_token(way);
        }
    }

    fn renew_token(&mut self, index: usize) {
        let Some(way) = self.ways.get_mut(index) else { return };
        let random = self.rng.u64(..);
        if !way.fetching
            && let Some(callout) = way.signer.poll(self.time, random, self.shared.as_ref())
        {
            way.fetching = true;
            self.dispatch(Purpose::Token { way: index }, callout, None);
        }
        self.tell_of_tokens(index);
        self.send_waiting(index);
    }

    /// Those for whom there is still no token wait on.
    fn send_waiting(&mut self, index: usize) {
        let Some(way) = self.ways.get_mut(index) else { return };
        for parcel in std::mem::take(&mut way.waiting) {
            self.send(parcel);
        }
    }

    pub(super) fn token_answered(&mut self, index: usize, answer: &Answer) {
        let random = self.rng.u64(..);
        let Some(way) = self.ways.get_mut(index) else { return };
        way.fetching = false;
        way.signer.fetched(answer, self.time, random, self.shared.as_ref());
        self.tell_of_tokens(index);
        self.send_waiting(index);
    }

    pub(super) fn token_refused(&mut self, index: usize, error: DispatchError) {
        let random = self.rng.u64(..);
        let Some(way) = self.ways.get_mut(index) else { return };
        way.fetching = false;
        way.signer.not_fetched(error, self.time, random, self.shared.as_ref());
        self.tell_of_tokens(index);
        self.send_waiting(index);
    }

    pub(super) fn tell_of_tokens(&mut self, index: usize) {
        let Some(way) = self.ways.get_mut(index) else { return };
        for event in way.signer.take_events() {
            let namespace = Namespace(Rc::clone(&way.destination));
            self.effects.push_back(super::Effect::Tell(Event::Credentials { namespace, event }));
        }
    }
}
