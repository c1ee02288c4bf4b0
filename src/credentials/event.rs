//! What happens to tokens, for log and metrics.

use std::time::Duration;

/// Which of two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRole {
    /// `key`.
    Primary,
    /// `secondary_key`.
    Secondary,
}

impl KeyRole {
    /// The word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
        }
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Primary => Self::Secondary,
            Self::Secondary => Self::Primary,
        }
    }
}

/// Something that happened to the tokens of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialEvent {
    /// Service Bus has refused a token, and a fresh one takes its place.
    Refreshed,
    /// Service Bus has refused a fresh token too and taken the other key's, which signs from now
    /// on.
    KeySwitched {
        /// The key that signs now.
        to: KeyRole,
    },
    /// Service Bus's clock is ahead of ours, or no longer; tokens are signed for its time.
    ClockBehind {
        /// By how much; zero when the two agree again.
        by: Duration,
    },
    /// A token was fetched.
    Fetched {
        /// When it ends, since the Unix epoch.
        expires_at: Duration,
    },
    /// A token is here that was fetched by another worker, or for another destination.
    Adopted {
        /// When it ends, since the Unix epoch.
        expires_at: Duration,
    },
    /// No token was to be had.
    FetchFailed {
        /// For the log, without any secret.
        cause: String,
    },
}
