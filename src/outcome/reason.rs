//! Why a message was not accepted: the words that clients are told.

/// Why a message was not accepted, as clients are told. The texts are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Service Bus failed.
    BrokerError,
    /// Service Bus does not let us send there: a disabled entity, a firewall, a missing claim.
    BrokerForbidden,
    /// Service Bus did not take our token.
    BrokerUnauthorized,
    /// No connection: nothing was sent.
    BrokerUnreachable,
    /// Too many sends have failed: nothing is sent for a while.
    CircuitOpen,
    /// No token to be had.
    CredentialsUnavailable,
    /// There is no such queue or topic.
    EntityNotFound,
    /// The request cannot be a message.
    InvalidMessage,
    /// The cluster that a lookup asks does not answer, or not as it should.
    LookupUnavailable,
    /// Service Bus refused the message.
    MessageRejected,
    /// Envoy does not know the cluster, or the module its configuration.
    Misconfigured,
    /// A lookup found nothing.
    NotFound,
    /// The message may be enqueued or not.
    OutcomeUnknown,
    /// Too many messages are in flight.
    Overloaded,
    /// The body or the message is too large.
    PayloadTooLarge,
    /// The queue or topic is full.
    QuotaExceeded,
    /// Service Bus asks to slow down.
    Throttled,
}

impl Reason {
    /// All of them, in the order of their words.
    pub const ALL: [Self; 17] = [
        Self::BrokerError,
        Self::BrokerForbidden,
        Self::BrokerUnauthorized,
        Self::BrokerUnreachable,
        Self::CircuitOpen,
        Self::CredentialsUnavailable,
        Self::EntityNotFound,
        Self::InvalidMessage,
        Self::LookupUnavailable,
        Self::MessageRejected,
        Self::Misconfigured,
        Self::NotFound,
        Self::OutcomeUnknown,
        Self::Overloaded,
        Self::PayloadTooLarge,
        Self::QuotaExceeded,
        Self::Throttled,
    ];

    /// The word in `reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BrokerError => "broker_error",
            Self::BrokerForbidden => "broker_forbidden",
            Self::BrokerUnauthorized => "broker_unauthorized",
            Self::BrokerUnreachable => "broker_unreachable",
            Self::CircuitOpen => "circuit_open",
            Self::CredentialsUnavailable => "credentials_unavailable",
            Self::EntityNotFound => "entity_not_found",
            Self::InvalidMessage => "invalid_message",
            Self::LookupUnavailable => "lookup_unavailable",
            Self::MessageRejected => "message_rejected",
            Self::Misconfigured => "misconfigured",
            Self::NotFound => "not_found",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Overloaded => "overloaded",
            Self::PayloadTooLarge => "payload_too_large",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Throttled => "throttled",
        }
    }

    /// Status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidMessage => 400,
            Self::NotFound => 404,
            Self::PayloadTooLarge => 413,
            _ => 503,
        }
    }

    /// Seconds until a retry may help, `None` where it cannot.
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::CircuitOpen | Self::Overloaded => Some(1),
            Self::BrokerError
            | Self::BrokerUnreachable
            | Self::CredentialsUnavailable
            | Self::LookupUnavailable
            | Self::OutcomeUnknown => Some(5),
            Self::Throttled => Some(10),
            Self::QuotaExceeded => Some(30),
            Self::BrokerForbidden
            | Self::BrokerUnauthorized
            | Self::EntityNotFound
            | Self::InvalidMessage
            | Self::MessageRejected
            | Self::Misconfigured
            | Self::NotFound
            | Self::PayloadTooLarge => None,
        }
    }

    /// Whether the message may be stored all the same.
    pub const fn is_doubtful(self) -> bool {
        matches!(self, Self::BrokerError | Self::OutcomeUnknown)
    }

    /// One sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::BrokerError => "The message broker failed; the message may not be enqueued.",
            Self::BrokerForbidden => "The message broker does not let the gateway send there.",
            Self::BrokerUnauthorized => "The message broker did not accept the gateway's token.",
            Self::BrokerUnreachable => "The message broker cannot be reached; nothing was sent.",
            Self::CircuitOpen => {
                "The message broker has failed too often; nothing was sent for now."
            }
            Self::CredentialsUnavailable => "The gateway has no token for the message broker.",
            Self::EntityNotFound => "The queue or topic does not exist.",
            Self::InvalidMessage => "The request cannot be sent as a message.",
            Self::LookupUnavailable => "What was asked for cannot be looked up now.",
            Self::MessageRejected => "The message broker refused the message.",
            Self::Misconfigured => "The gateway is not configured to reach the message broker.",
            Self::NotFound => "There is nothing of this name.",
            Self::OutcomeUnknown => {
                "The message may be enqueued or not; retry with the same Idempotency-Key."
            }
            Self::Overloaded => "Too many messages are in flight; nothing was sent.",
            Self::PayloadTooLarge => "The message is too large.",
            Self::QuotaExceeded => "The queue or topic is full; the message was not enqueued.",
            Self::Throttled => {
                "The message broker asks to slow down; the message was not enqueued."
            }
        }
    }
}
