//! A request whose headers are here, until it is complete.

use super::replies::failure;
use super::{Exchange, Forwarding, State, Step};

impl Exchange {
    /// Keeps what the route may read of a request, if there is room for it.
    pub(super) fn hold(&mut self) -> Step {
        let State::Receiving(request) = &mut self.state else { return self.idle() };
        if let Some(route) = self.sender.routes.get(request.route) {
            request.headers = std::mem::take(&mut request.headers).only(&route.headers);
        }
        match self.buffer.reserve(request.size()) {
            Some(share) => {
                request.share = Some(share);
                self.change_early()
            }
            None => self.finish(self.overloaded()),
        }
    }

    /// What cannot be changed later is changed now.
    fn change_early(&mut self) -> Step {
        let State::Receiving(request) = &self.state else { return self.idle() };
        let route = self.sender.routes.get(request.route);
        let early = route.and_then(|route| Some((route, route.forward.as_ref()?)));
        let Some((route, forward)) = early.filter(|(_, forward)| forward.early) else {
            return Step::Wait;
        };
        let made = Forwarding::early(forward, &request.scope(&route.name, self.random));
        match made {
            Ok(forwarding) => Step::Change(forwarding),
            Err(unsendable) => self.finish(failure(&unsendable)),
        }
    }
}
