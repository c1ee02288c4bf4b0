//! The `delivery` section: timeouts, retries, circuit breaker, batches.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::duration;
use super::node::{Fields, Node};

/// How long a message may take, how it is tried again, and how many may be on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// What a client waits at most.
    pub timeout: Duration,
    /// What one callout may take.
    pub attempt_timeout: Duration,
    /// Messages on their way at once, per worker.
    pub max_in_flight: usize,
    /// Their bytes, per worker.
    pub max_buffered_bytes: usize,
    /// What is tried again.
    pub retries: RetryConfig,
    /// When nothing is tried; `None` when something always is.
    pub circuit_breaker: Option<BreakerConfig>,
    /// How messages travel together; `None` when each travels alone.
    pub batch: Option<BatchConfig>,
}

/// How often and when a send that failed is made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryConfig {
    /// Sends of a message after its first.
    pub max: u32,
    /// Longest wait before the first of them; each further one doubles it.
    pub base: Duration,
    /// Where doubling ends.
    pub cap: Duration,
    /// Share of the callouts that may be repetitions.
    pub budget_percent: usize,
}

/// When sending to a namespace stops for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long it stays open.
    pub open_for: Duration,
}

/// How messages wait for company.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchConfig {
    /// Messages in one request.
    pub max_messages: usize,
    /// How long a message waits at most.
    pub linger: Duration,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            attempt_timeout: Duration::from_secs(5),
            max_in_flight: 1024,
            max_buffered_bytes: 64 * 1024 * 1024,
            retries: RetryConfig::default(),
            circuit_breaker: Some(BreakerConfig::default()),
            batch: None,
        }
    }
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max: 3,
            base: Duration::from_millis(200),
            cap: Duration::from_secs(5),
            budget_percent: 20,
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(30) }
    }
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { max_messages: 100, linger: Duration::from_millis(5) }
    }
}

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
