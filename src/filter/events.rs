//! What delivery tells, for the log.

use log::{debug, info, warn};

use crate::credentials::CredentialEvent;
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
        Event::Credentials { namespace, event } => log_credentials(namespace.as_str(), event),
    }
}

fn log_credentials(namespace: &str, event: &CredentialEvent) {
    match event {
        CredentialEvent::Refreshed => {
            warn!("token refused, a fresh one follows: namespace={namespace}");
        }
        CredentialEvent::KeySwitched { to } => {
            warn!("key refused, the {} key signs: namespace={namespace}", to.as_str());
        }
        CredentialEvent::ClockBehind { by } => {
            warn!("clock {}s behind Service Bus: namespace={namespace}", by.as_secs());
        }
        CredentialEvent::Fetched { expires_at } => {
            info!("token fetched: namespace={namespace} expires_at={}", expires_at.as_secs());
        }
        CredentialEvent::FetchFailed { cause } => {
            warn!("no token: namespace={namespace} cause={cause:?}");
        }
    }
}
