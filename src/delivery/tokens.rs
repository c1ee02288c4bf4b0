//! Tokens that are fetched: ahead of need, and for those that wait.

use std::rc::Rc;

use super::event::Namespace;
use super::{Delivery, Event, Purpose};
use crate::http::{DispatchError, Response};

impl Delivery {
    /// Lets each signer look after its token, and sends what has waited for one.
    pub(super) fn renew_tokens(&mut self) {
        for state in 0..self.states.len() {
            self.renew_token(state);
        }
    }

    fn renew_token(&mut self, index: usize) {
        let Some(state) = self.states.get_mut(index) else { return };
        let random = self.rng.u64(..);
        if !state.fetching
            && let Some(callout) = state.signer.poll(self.time, random, self.shared.as_ref())
        {
            state.fetching = true;
            self.dispatch(Purpose::Token { state: index }, callout, None);
        }
        self.tell_of_tokens(index);
        self.send_waiting(index);
    }

    /// Those for whom there is still no token wait on.
    fn send_waiting(&mut self, index: usize) {
        let Some(state) = self.states.get_mut(index) else { return };
        for request in std::mem::take(&mut state.waiting) {
            self.send(request);
        }
    }

    pub(super) fn token_answered(&mut self, index: usize, answer: &Response) {
        let random = self.rng.u64(..);
        let Some(state) = self.states.get_mut(index) else { return };
        state.fetching = false;
        state.signer.fetched(answer, self.time, random, self.shared.as_ref());
        self.tell_of_tokens(index);
        self.send_waiting(index);
    }

    pub(super) fn token_refused(&mut self, index: usize, error: DispatchError) {
        let random = self.rng.u64(..);
        let Some(state) = self.states.get_mut(index) else { return };
        state.fetching = false;
        state.signer.not_fetched(error, self.time, random, self.shared.as_ref());
        self.tell_of_tokens(index);
        self.send_waiting(index);
    }

    pub(super) fn tell_of_tokens(&mut self, index: usize) {
        let Some(state) = self.states.get_mut(index) else { return };
        for event in state.signer.take_events() {
            let namespace = Namespace(Rc::clone(&state.destination));
            self.effects.push_back(super::Effect::Tell(Event::Credentials { namespace, event }));
        }
    }
}
