//! What the log is told.

use log::{Level, debug, info, log, warn};

use crate::credentials::CredentialEvent;
use crate::delivery::Event;
use crate::exchange::Report;

/// One line for each failure; the rest is for whoever looks closer.
pub(super) fn log_answer(route: &str, report: &Report) {
    let Report { entity, tracking_id, outcome, failure, .. } = report;
    let entity = entity.as_ref().map_or("-", |entity| &entity.path);
    let Some(failure) = failure else {
        debug!("{outcome}: route={route} entity={entity} tracking_id={tracking_id}");
        return;
    };
    // A client's own mistakes must not fill the log of a gateway.
    let level = if failure.reason.status() < 500 { Level::Info } else { Level::Warn };
    let (reason, cause) = (failure.reason.as_str(), &failure.cause);
    log!(
        level,
        "{reason}: route={route} entity={entity} tracking_id={tracking_id} cause={cause:?}"
    );
}

pub(super) fn log_event(event: &Event) {
    match event {
        Event::Sent { messages, .. } => debug!("sent {messages} messages"),
        Event::Repeated { wait, .. } => debug!("sending again in {wait:?}"),
        Event::Halved { .. } => debug!("sending a part of a refused batch"),
        Event::FellBack { .. } => debug!("to the second destination"),
        Event::BreakerOpened { namespace } => {
            let (namespace, cluster) = (namespace.as_str(), namespace.cluster());
            warn!("circuit breaker open: namespace={namespace} cluster={cluster}");
        }
        Event::BreakerClosed { namespace } => {
            let (namespace, cluster) = (namespace.as_str(), namespace.cluster());
            info!("circuit breaker closed: namespace={namespace} cluster={cluster}");
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
        CredentialEvent::ClockBehind { by } if by.is_zero() => {
            info!("clock agrees with Service Bus's again: namespace={namespace}");
        }
        CredentialEvent::ClockBehind { by } => {
            warn!("clock {}s behind Service Bus: namespace={namespace}", by.as_secs());
        }
        CredentialEvent::Fetched { expires_at } => {
            info!("token fetched: namespace={namespace} expires_at={}", expires_at.as_secs());
        }
        CredentialEvent::Adopted { .. } => debug!("token adopted: namespace={namespace}"),
        CredentialEvent::FetchFailed { cause } => {
            warn!("no token: namespace={namespace} cause={cause:?}");
        }
    }
}
