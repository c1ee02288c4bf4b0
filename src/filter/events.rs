//! What delivery tells, for the log.

use log::{debug, info, warn};

use crate::delivery::Event;

pub(super) fn log_event(event: &Event) {
    match event {
        Event::Sent { messages } => debug!("sent {messages} messages"),
        Event::Repeated { wait } => debug!("sending again in {wait:?}"),
        Event::FellBack => debug!("to the second destination"),
        Event::BreakerOpened { namespace } => {
            warn!("circuit breaker open: namespace={}", namespace.as_str());
        }
        Event::BreakerClosed { namespace } => {
            info!("circuit breaker closed: namespace={}", namespace.as_str());
        }
        Event::Credentials { .. } => {}
    }
}
