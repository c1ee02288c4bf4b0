//! The `delivery` section: timeouts, retries, breaker, batches.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::duration;
use super::node::Node;

/// How long a message may take and how many may be on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// What a client waits at most.
    pub timeout: Duration,
    /// What one callout may take.
    pub attempt_timeout: Duration,
    /// Callouts on their way at once, per worker.
    pub max_in_flight: usize,
}

impl DeliveryConfig {
    /// The timeout of a lone callout.
    pub fn callout_timeout(&self) -> Duration {
        self.attempt_timeout.min(self.timeout)
    }
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            attempt_timeout: Duration::from_secs(5),
            max_in_flight: 1024,
        }
    }
}

/// Envoy takes whole milliseconds, and reads 0 as no timeout at all.
pub(super) const TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(3600);

pub(super) fn read(node: &Node<'_>) -> Option<DeliveryConfig> {
    let defaults = DeliveryConfig::default();
    let mut fields = node.fields()?;
    let timeout = fields
        .optional("timeout")
        .map_or(Some(defaults.timeout), |node| read_duration(&node, TIMEOUTS));
    let attempt_timeout = fields
        .optional("attempt_timeout")
        .map_or(Some(defaults.attempt_timeout), |node| read_duration(&node, TIMEOUTS));
    let max_in_flight =
        fields.optional("max_in_flight").map_or(Some(defaults.max_in_flight), |n| {
            n.integer(1..=1_000_000).and_then(|value| usize::try_from(value).ok())
        });
    for (key, check) in [
        ("retries", check_retries as fn(&Node<'_>)),
        ("circuit_breaker", check_circuit_breaker),
        ("batch", check_batch),
    ] {
        if let Some(node) = fields.optional(key) {
            check(&node);
            node.warn("has no effect in this version: each message is sent once, by itself");
        }
    }
    fields.finish();
    Some(DeliveryConfig {
        timeout: timeout?,
        attempt_timeout: attempt_timeout?,
        max_in_flight: max_in_flight?,
    })
}

fn check_retries(node: &Node<'_>) {
    let Some(mut fields) = node.fields() else { return };
    fields.optional("max").and_then(|node| node.integer(0..=100));
    fields.optional("base").and_then(|node| read_duration(&node, TIMEOUTS));
    fields.optional("cap").and_then(|node| read_duration(&node, TIMEOUTS));
    fields.optional("budget_percent").and_then(|node| node.integer(0..=100));
    fields.finish();
}

fn check_circuit_breaker(node: &Node<'_>) {
    let Some(mut fields) = node.fields() else { return };
    fields.optional("failures").and_then(|node| node.integer(1..=1_000_000));
    fields.optional("open_for").and_then(|node| read_duration(&node, TIMEOUTS));
    fields.finish();
}

fn check_batch(node: &Node<'_>) {
    let Some(mut fields) = node.fields() else { return };
    fields.optional("max_messages").and_then(|node| node.integer(1..=10_000));
    fields
        .optional("linger")
        .and_then(|node| read_duration(&node, Duration::ZERO..=*TIMEOUTS.end()));
    fields.finish();
}

/// Reads a duration within bounds, in whole milliseconds where Envoy needs them.
pub(super) fn read_duration(node: &Node<'_>, range: RangeInclusive<Duration>) -> Option<Duration> {
    let Some(value) = node.text_quietly().and_then(duration::parse) else {
        node.expected("a duration such as \"30s\"");
        return None;
    };
    if !range.contains(&value) {
        node.expected(&format!("a duration from {:?} to {:?}", range.start(), range.end()));
        return None;
    }
    Some(value)
}
