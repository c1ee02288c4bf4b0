//! A fetched token as the workers share it.

use std::time::Duration;

use super::Secret;

/// What the workers know of one token.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedToken {
    /// Changes with each token.
    pub(super) serial: u64,
    /// The serial of the token that Service Bus refused last.
    pub(super) refused: u64,
    /// Until when nobody else is to ask, by the monotonic clock: somebody is asking, or has been
    /// refused.
    pub(super) busy_until: Duration,
    /// How often the service has failed in a row.
    pub(super) failures: u32,
    /// Whether the service has said that asking again is of no use.
    pub(super) hopeless: bool,
    /// When Service Bus last refused a token, by the monotonic clock.
    pub(super) refused_at: Duration,
    /// By the wall clock.
    pub(super) issued_at: Duration,
    /// By the wall clock.
    pub(super) expires_at: Duration,
    /// The value of the `authorization` header, if there is a token.
    pub(super) authorization: Option<Secret>,
}

impl SharedToken {
    /// Whether somebody else is to be waited for, at a monotonic time.
    pub(super) fn is_busy(&self, now: Duration) -> bool {
        now < self.busy_until
    }

    /// The token, while Service Bus will take it, at a wall time: it must not end on its way there.
    pub(super) fn valid(&self, now: Duration) -> Option<&Secret> {
        let margin = Duration::from_secs(5).min(self.lifetime() / 10);
        let ends = self.expires_at.saturating_sub(margin);
        self.authorization.as_ref().filter(|_| now < ends)
    }

    /// Whether Service Bus has refused it to somebody, so that another is due. It may be good for
    /// others: an entity without the permission refuses every token.
    pub(super) fn is_refused(&self) -> bool {
        self.authorization.is_some() && self.refused == self.serial
    }

    pub(super) fn lifetime(&self) -> Duration {
        self.expires_at.saturating_sub(self.issued_at)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { busy_until, refused_at, issued_at, expires_at, .. } = *self;
        let times = [busy_until, refused_at, issued_at, expires_at];
        let token = self.authorization.as_ref().map_or("", Secret::expose);
        let mut bytes = Vec::with_capacity(53 + token.len());
        bytes.extend(self.serial.to_le_bytes());
        bytes.extend(self.refused.to_le_bytes());
        bytes.extend(self.failures.to_le_bytes());
        bytes.push(u8::from(self.hopeless));
        for time in times {
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            bytes.extend(millis.to_le_bytes());
        }
        bytes.extend(token.as_bytes());
        bytes
    }

    /// What nobody here has written counts as nothing known.
    pub(super) fn decode(bytes: &[u8]) -> Self {
        Self::read(bytes).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (serial, rest) = bytes.split_first_chunk::<8>()?;
        let (refused, rest) = rest.split_first_chunk::<8>()?;
        let (failures, rest) = rest.split_first_chunk::<4>()?;
        let (hopeless, mut rest) = rest.split_first()?;
        let mut time = || {
            let (millis, after) = rest.split_first_chunk::<8>()?;
            rest = after;
            Some(Duration::from_millis(u64::from_le_bytes(*millis)))
        };
        let (busy_until, refused_at) = (time()?, time()?);
        let (issued_at, expires_at) = (time()?, time()?);
        let token = String::from_utf8(rest.to_vec()).ok()?;
        Some(Self {
            serial: u64::from_le_bytes(*serial),
            refused: u64::from_le_bytes(*refused),
            busy_until,
            failures: u32::from_le_bytes(*failures),
            hopeless: *hopeless != 0,
            refused_at,
            issued_at,
            expires_at,
            authorization: (!token.is_empty()).then(|| Secret::new(token)),
        })
    }
}
