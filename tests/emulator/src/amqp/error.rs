//! Errors of AMQP, with the conditions that SDKs know.

use super::codec::Value;
use crate::refusal::Refusal;

/// The conditions that this server uses.
pub mod condition {
    #![allow(missing_docs)] // the names themselves
    pub const DECODE_ERROR: &str = "amqp:decode-error";
    pub const DETACH_FORCED: &str = "amqp:link:detach-forced";
    pub const ERRANT_LINK: &str = "amqp:session:errant-link";
    pub const FRAME_SIZE_TOO_SMALL: &str = "amqp:frame-size-too-small";
    pub const FRAMING_ERROR: &str = "amqp:connection:framing-error";
    pub const CONNECTION_FORCED: &str = "amqp:connection:forced";
    pub const HANDLE_IN_USE: &str = "amqp:session:handle-in-use";
    pub const INTERNAL_ERROR: &str = "amqp:internal-error";
    pub const MESSAGE_SIZE_EXCEEDED: &str = "amqp:link:message-size-exceeded";
    pub const NOT_ALLOWED: &str = "amqp:not-allowed";
    pub const NOT_FOUND: &str = "amqp:not-found";
    pub const NOT_IMPLEMENTED: &str = "amqp:not-implemented";
    pub const RESOURCE_LIMIT_EXCEEDED: &str = "amqp:resource-limit-exceeded";
    pub const UNATTACHED_HANDLE: &str = "amqp:session:unattached-handle";
    pub const UNAUTHORIZED: &str = "amqp:unauthorized-access";
    pub const WINDOW_VIOLATION: &str = "amqp:session:window-violation";
    pub const ARGUMENT_ERROR: &str = "com.microsoft:argument-error";
    pub const ENTITY_ALREADY_EXISTS: &str = "com.microsoft:entity-already-exists";
    pub const MESSAGE_LOCK_LOST: &str = "com.microsoft:message-lock-lost";
    pub const MESSAGE_NOT_FOUND: &str = "com.microsoft:message-not-found";
    pub const SERVER_BUSY: &str = "com.microsoft:server-busy";
    pub const SESSION_CANNOT_BE_LOCKED: &str = "com.microsoft:session-cannot-be-locked";
    pub const SESSION_LOCK_LOST: &str = "com.microsoft:session-lock-lost";
    pub const TIMEOUT: &str = "com.microsoft:timeout";
}

/// An error with what a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmqpError {
    /// What SDKs decide by.
    pub condition: Box<str>,
    /// What people read.
    pub description: Box<str>,
}

impl AmqpError {
    /// An error.
    pub fn new(condition: &str, description: impl Into<Box<str>>) -> Self {
        Self { condition: condition.into(), description: description.into() }
    }

    /// As it goes on the wire: always three fields, which the SDKs for Go, .NET and Python index.
    #[must_use]
    pub fn to_value(&self) -> Value {
        Value::described_list(
            0x1d,
            vec![
                Value::symbol(self.condition.clone()),
                Value::string(self.description.clone()),
                Value::Map(Vec::new()),
            ],
        )
    }
}

impl From<Refusal> for AmqpError {
    fn from(Refusal { status, detail }: Refusal) -> Self {
        let condition = match status {
            401 => condition::UNAUTHORIZED,
            403 => condition::MESSAGE_SIZE_EXCEEDED,
            404 => condition::NOT_FOUND,
            429 | 503 => condition::SERVER_BUSY,
            500.. => condition::INTERNAL_ERROR,
            _ => condition::ARGUMENT_ERROR,
        };
        Self::new(condition, detail)
    }
}
