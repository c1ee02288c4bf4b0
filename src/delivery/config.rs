//! How messages are delivered: timeouts, retries, circuit breaker, batches.

use std::time::Duration;

/// How long a message may take, how it is tried again, and how many may be in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// What a client waits at most.
    pub timeout: Duration,
    /// What one callout may take.
    pub attempt_timeout: Duration,
    /// Messages in flight at once, per worker.
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
