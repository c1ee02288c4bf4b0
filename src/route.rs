//! Which requests are ours, and what each of them leads to.

mod destination;
mod dry_run;
mod forward;
mod lookup;
mod matching;

use std::rc::Rc;

use crate::http::HeaderNames;
use crate::message::Send;
use crate::reply::ReplyConfig;
use crate::template::Needs;
pub(crate) use destination::Bound;
pub use destination::{Destination, Fallback};
pub use dry_run::DryRun;
pub use forward::{Forward, OUTCOME, OnFailure, TRACKING_ID};
pub use lookup::Lookup;
pub(crate) use matching::without_root;
pub use matching::{HostMatch, Match, PathMatch, Segment};

/// What happens to the requests that match.
#[derive(Debug)]
pub struct Route {
    /// Unique among the routes.
    pub name: String,
    /// Which requests.
    pub matches: Match,
    /// What is done with them.
    pub action: Action,
    /// Where its messages go when they cannot go where they should.
    pub fallback: Option<Rc<Fallback>>,
    /// Whether and how its requests go on to the backend once their message is stored.
    pub forward: Option<Forward>,
    /// The answer when that has succeeded, and changed answers to failures.
    pub reply: ReplyConfig,
    /// Whose messages are shown instead of sent.
    pub dry_run: Option<DryRun>,
    /// What the expressions need beyond headers and body.
    pub needs: Needs,
    /// The headers of a request that are read after its route is known.
    pub headers: HeaderNames,
}

impl Route {
    /// Whether its messages may go to a second destination.
    pub fn has_fallback(&self) -> bool {
        self.fallback.is_some()
    }
}

/// What is done with a request.
#[derive(Debug)]
pub enum Action {
    /// It is asked of another cluster.
    Lookup(Lookup),
    /// It becomes a message.
    Send(Box<Send>, Rc<Destination>),
}
