//! What a client is told of its order.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is being worked on.
    Processing,
    /// It is done.
    Completed,
    /// It cannot be done.
    Failed,
}

/// The status of one order, as it stands in the store.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The order's id.
    pub tracking_id: String,
    /// How far it is.
    pub status: State,
    /// The same, in percent.
    pub progress: u8,
    /// What came of it, or why nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// When this was written: RFC 3339, UTC.
    pub updated_at: String,
    /// When the order was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
}

impl Status {
    /// Work has begun.
    pub fn processing(tracking_id: &str, now: SystemTime) -> Self {
        Self {
            tracking_id: tracking_id.to_owned(),
            status: State::Processing,
            progress: 0,
            result: None,
            updated_at: humantime::format_rfc3339_millis(now).to_string(),
            completed_at: None,
        }
    }

    /// The order is done.
    pub fn completed(tracking_id: &str, result: Value, now: SystemTime) -> Self {
        let begun = Self::processing(tracking_id, now);
        let completed_at = Some(begun.updated_at.clone());
        let result = Some(result);
        Self { status: State::Completed, progress: 100, result, completed_at, ..begun }
    }

    /// The order cannot be done.
    pub fn failed(tracking_id: &str, reason: &str, now: SystemTime) -> Self {
        let result = Some(json!({"error": reason}));
        Self { status: State::Failed, result, ..Self::processing(tracking_id, now) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_status_is_the_json_that_clients_read() {
        let now = UNIX_EPOCH + Duration::from_millis(1_795_219_200_250);
        let json = |status: Status| serde_json::to_string(&status).unwrap();
        assert_eq!(
            json(Status::processing("t-1", now)),
            r#"{"trackingId":"t-1","status":"processing","progress":0,"updatedAt":"2026-11-21T00:00:00.250Z"}"#
        );
        assert_eq!(
            json(Status::completed("t-1", json!({"items": 2}), now)),
            r#"{"trackingId":"t-1","status":"completed","progress":100,"result":{"items":2},"updatedAt":"2026-11-21T00:00:00.250Z","completedAt":"2026-11-21T00:00:00.250Z"}"#
        );
        assert_eq!(
            json(Status::failed("t-1", "the order has no items", now)),
            r#"{"trackingId":"t-1","status":"failed","progress":0,"result":{"error":"the order has no items"},"updatedAt":"2026-11-21T00:00:00.250Z"}"#
        );
    }
}
