//! The `delivery` section: timeouts, retries, circuit breaker, batches.

use crate::delivery::{BatchConfig, BreakerConfig, DeliveryConfig, RetryConfig};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::node::{Fields, Node};
use crate::duration;

/// Envoy takes whole milliseconds, and reads 0 as no timeout at all.
pub(super) const TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(3600);

pub(super) fn read(node: &Node<'_>) -> Option<DeliveryConfig> {
    let defaults = DeliveryConfig::default();
    let mut fields = node.fields()?;
    let timeout = duration_field(&mut fields, "timeout", defaults.timeout);
    let attempt_timeout = duration_field(&mut fields, "attempt_timeout", defaults.attempt_timeout);
    let max_in_flight = integer(&mut fields, "max_in_flight", 1..=1_000_000);
    let max_buffered_bytes = integer(&mut fields, "max_buffered_bytes", 1..=1 << 30);
    let retries = fields.optional("retries").map_or(Some(defaults.retries), |n| read_retries(&n));
    let circuit_breaker = fields
        .optional("circuit_breaker")
        .map_or(Some(defaults.circuit_breaker), |node| read_circuit_breaker(&node));
    let batch = fields.optional("batch");
    let longest = timeout.unwrap_or(*TIMEOUTS.end());
    let batch = batch.map_or(Some(None), |node| read_batch(&node, longest).map(Some));
    fields.finish();
    Some(DeliveryConfig {
        timeout: timeout?,
        attempt_timeout: attempt_timeout?,
        max_in_flight: max_in_flight?.unwrap_or(defaults.max_in_flight),
        max_buffered_bytes: max_buffered_bytes?.unwrap_or(defaults.max_buffered_bytes),
        retries: retries?,
        circuit_breaker: circuit_breaker?,
        batch: batch?,
    })
}

fn read_retries(node: &Node<'_>) -> Option<RetryConfig> {
    let defaults = RetryConfig::default();
    let mut fields = node.fields()?;
    let max = integer(&mut fields, "max", 0..=100);
    let base = duration_field(&mut fields, "base", defaults.base);
    let cap = duration_field(&mut fields, "cap", defaults.cap);
    let budget_percent = integer(&mut fields, "budget_percent", 0..=100);
    fields.finish();
    Some(RetryConfig {
        max: max?.unwrap_or(defaults.max),
        base: base?,
        cap: cap?,
        budget_percent: budget_percent?.unwrap_or(defaults.budget_percent),
    })
}

/// `failures` 0 is how it is left out, since it is there by default.
fn read_circuit_breaker(node: &Node<'_>) -> Option<Option<BreakerConfig>> {
    let defaults = BreakerConfig::default();
    let mut fields = node.fields()?;
    let failures = integer(&mut fields, "failures", 0..=1_000_000);
    let open_for = duration_field(&mut fields, "open_for", defaults.open_for);
    fields.finish();
    let failures = failures?.unwrap_or(defaults.failures);
    let breaker = BreakerConfig { failures, open_for: open_for? };
    Some((failures > 0).then_some(breaker))
}

fn read_batch(node: &Node<'_>, timeout: Duration) -> Option<BatchConfig> {
    let defaults = BatchConfig::default();
    let mut fields = node.fields()?;
    let max_messages = integer(&mut fields, "max_messages", 1..=10_000);
    let linger = fields.optional("linger").map_or(Some(defaults.linger), |node| {
        let linger = read_duration(&node, Duration::ZERO..=*TIMEOUTS.end())?;
        if linger >= timeout {
            node.error("must be shorter than delivery.timeout");
            return None;
        }
        Some(linger)
    });
    fields.finish();
    Some(BatchConfig {
        max_messages: max_messages?.unwrap_or(defaults.max_messages),
        linger: linger?,
    })
}

fn duration_field(
    fields: &mut Fields<'_>,
    key: &'static str,
    default: Duration,
) -> Option<Duration> {
    fields.optional(key).map_or(Some(default), |node| read_duration(&node, TIMEOUTS))
}

/// An integer within bounds, `Some(None)` when it is left out.
fn integer<T: TryFrom<u64>>(
    fields: &mut Fields<'_>,
    key: &'static str,
    range: RangeInclusive<u64>,
) -> Option<Option<T>> {
    let Some(node) = fields.optional(key) else { return Some(None) };
    T::try_from(node.integer(range)?).ok().map(Some)
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
