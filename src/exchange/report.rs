//! What log and metrics are told.

use std::rc::Rc;
use std::time::Duration;

use crate::message::Entity;
use crate::outcome::{Failure, Served};

/// What log and metrics are told of an answer.
#[derive(Clone, Debug)]
pub struct Report {
    /// Index of the route.
    pub route: usize,
    /// Queue or topic, once it is known.
    pub entity: Option<Rc<Entity>>,
    /// The request's id.
    pub tracking_id: String,
    /// When the request was complete, if it ever was, by the monotonic clock.
    pub since: Option<Duration>,
    /// The message's id, once there is a message and if the configuration asks for it.
    pub message_id: Option<String>,
    /// What became of it: the word of its `Outcome`, `forwarded`, or `dry_run`.
    pub outcome: &'static str,
    /// What went wrong, if anything did.
    pub failure: Option<Failure>,
    /// Callouts that have carried it.
    pub attempts: u32,
    /// Which of the route's destinations it came to.
    pub served: Served,
}
