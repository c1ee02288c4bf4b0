//! What is counted, and the names that Envoy shows it under. All names begin with `service_bus.`,
//! and Envoy puts `wasmcustom.` before them.
//!
//! A name holds what Prometheus wants as labels; `stats_tags` in Envoy's bootstrap take them out
//! again. Routes, entities and namespaces are those of the configuration, so there are only so many
//! names. Counters and gauges are those of the process: the workers' parts are summed up by Envoy.

use crate::credentials::{CredentialEvent, KeyRole};
use crate::delivery::Event;
use crate::outcome::Served;

/// How Envoy keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Is set, or moves both ways.
    Gauge,
    /// Records values.
    Histogram,
}

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric<'a> {
    /// Requests by how they were answered.
    Requests {
        /// The route's name.
        route: &'a str,
        /// Queue or topic; `None` before it is known, and for lookups.
        entity: Option<&'a str>,
        /// The word of its `Outcome`, or `dry_run`.
        outcome: &'static str,
        /// Who served in the end.
        destination: Served,
    },
    /// Milliseconds from a request's end to its answer, of those that were sent.
    Duration {
        /// The route's name.
        route: &'a str,
    },
    /// Clients that left before their answer, by route.
    ClientsGone {
        /// The route's name.
        route: &'a str,
    },
    /// Messages and lookups in flight.
    InFlight,
    /// Bytes of those messages.
    BufferedBytes,
    /// Something about one namespace.
    Namespace(&'a str, NamespaceMetric),
}

/// Something that is counted by namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamespaceMetric {
    /// Requests to Service Bus, retries included.
    Callouts,
    /// Bytes of their bodies.
    BytesSent,
    /// Messages of each batch.
    BatchMessages,
    /// Callouts that failed and were made again.
    Retries,
    /// Messages that came here as their route's second destination.
    Fallbacks,
    /// How often the circuit breaker has opened.
    BreakerOpened,
    /// 1 while the circuit breaker is open, else 0.
    BreakerOpen,
    /// Tokens that Service Bus has refused.
    TokensRefused,
    /// How often the other of two keys took over.
    KeySwitches,
    /// Workers whose secondary key signs: each adds its 1.
    SecondaryKey,
    /// How far our clock is behind Service Bus's.
    ClockBehindSeconds,
    /// Tokens that were fetched.
    TokensFetched,
    /// When the fetched token ends, since the Unix epoch.
    TokenExpiresAtSeconds,
    /// Fetches that brought no token.
    TokenFailures,
}

impl NamespaceMetric {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Callouts,
        Self::BytesSent,
        Self::BatchMessages,
        Self::Retries,
        Self::Fallbacks,
        Self::BreakerOpened,
        Self::BreakerOpen,
        Self::TokensRefused,
        Self::KeySwitches,
        Self::SecondaryKey,
        Self::ClockBehindSeconds,
        Self::TokensFetched,
        Self::TokenExpiresAtSeconds,
        Self::TokenFailures,
    ];

    /// The last part of its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Callouts => "callouts",
            Self::BytesSent => "bytes_sent",
            Self::BatchMessages => "batch_messages",
            Self::Retries => "retries",
            Self::Fallbacks => "fallbacks",
            Self::BreakerOpened => "breaker_opened",
            Self::BreakerOpen => "breaker_open",
            Self::TokensRefused => "tokens_refused",
            Self::KeySwitches => "key_switches",
            Self::SecondaryKey => "secondary_key",
            Self::ClockBehindSeconds => "clock_behind_seconds",
            Self::TokensFetched => "tokens_fetched",
            Self::TokenExpiresAtSeconds => "token_expires_at_seconds",
            Self::TokenFailures => "token_failures",
        }
    }

    /// How Envoy keeps it.
    pub const fn kind(self) -> Kind {
        match self {
            Self::BatchMessages => Kind::Histogram,
            Self::BreakerOpen
            | Self::SecondaryKey
            | Self::ClockBehindSeconds
            | Self::TokenExpiresAtSeconds => Kind::Gauge,
            Self::Callouts
            | Self::BytesSent
            | Self::Retries
            | Self::Fallbacks
            | Self::BreakerOpened
            | Self::TokensRefused
            | Self::KeySwitches
            | Self::TokensFetched
            | Self::TokenFailures => Kind::Counter,
        }
    }
}

impl Metric<'_> {
    /// The name that Envoy is told.
    pub fn name(&self) -> String {
        match self {
            Self::Requests { route, entity, outcome, destination } => format!(
                "service_bus.route.{}.entity.{}.outcome.{outcome}.destination.{}.requests",
                part(route),
                part(entity.unwrap_or("none")),
                destination.as_str(),
            ),
            Self::Duration { route } => {
                format!("service_bus.route.{}.duration_milliseconds", part(route))
            }
            Self::ClientsGone { route } => {
                format!("service_bus.route.{}.clients_gone", part(route))
            }
            Self::InFlight => "service_bus.in_flight".to_owned(),
            Self::BufferedBytes => "service_bus.buffered_bytes".to_owned(),
            Self::Namespace(namespace, metric) => {
                format!("service_bus.namespace.{}.{}", part(namespace), metric.as_str())
            }
        }
    }

    /// How Envoy keeps it.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Requests { .. } | Self::ClientsGone { .. } => Kind::Counter,
            Self::Duration { .. } => Kind::Histogram,
            Self::InFlight | Self::BufferedBytes => Kind::Gauge,
            Self::Namespace(_, metric) => metric.kind(),
        }
    }
}

/// A name as one part of a metric's: dots would divide it.
fn part(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}

/// What an event changes: counters grow by the number, gauges become it, histograms record it. Of
/// `SecondaryKey` it is the worker's own part.
pub fn changes(event: &Event) -> [Option<(NamespaceMetric, u64)>; 3] {
    use NamespaceMetric as M;
    let one = |metric| [Some((metric, 1)), None, None];
    match event {
        Event::Sent { messages, bytes, .. } => {
            let batch = (*messages > 1).then_some((M::BatchMessages, wide(*messages)));
            [Some((M::Callouts, 1)), Some((M::BytesSent, wide(*bytes))), batch]
        }
        Event::Repeated { .. } | Event::Halved { .. } => one(M::Retries),
        Event::FellBack { .. } => one(M::Fallbacks),
        Event::BreakerOpened { .. } => {
            [Some((M::BreakerOpened, 1)), Some((M::BreakerOpen, 1)), None]
        }
        Event::BreakerClosed { .. } => [Some((M::BreakerOpen, 0)), None, None],
        Event::Credentials { event, .. } => match event {
            CredentialEvent::Refreshed => one(M::TokensRefused),
            CredentialEvent::KeySwitched { to } => {
                let secondary = u64::from(*to == KeyRole::Secondary);
                [Some((M::KeySwitches, 1)), Some((M::SecondaryKey, secondary)), None]
            }
            CredentialEvent::ClockBehind { by } => {
                [Some((M::ClockBehindSeconds, by.as_secs())), None, None]
            }
            CredentialEvent::Fetched { expires_at } => [
                Some((M::TokensFetched, 1)),
                Some((M::TokenExpiresAtSeconds, expires_at.as_secs())),
                None,
            ],
            CredentialEvent::Adopted { expires_at } => {
                [Some((M::TokenExpiresAtSeconds, expires_at.as_secs())), None, None]
            }
            CredentialEvent::FetchFailed { .. } => one(M::TokenFailures),
        },
    }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
