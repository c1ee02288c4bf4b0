//! What Service Bus takes at most: Microsoft's "Service Bus quotas" page, and the tier limits.

/// Message or batch with its properties, tiers Basic and Standard.
pub const STANDARD_MESSAGE_BYTES: usize = 256 * 1024;
/// Message or batch with its properties, tier Premium, over HTTP.
pub const PREMIUM_MESSAGE_BYTES: usize = 1024 * 1024;
/// One property, name and value.
pub const PROPERTY_BYTES: usize = 32 * 1024;
/// All properties, broker properties included.
pub const ALL_PROPERTIES_BYTES: usize = 64 * 1024;
/// Ids and keys, in characters as .NET counts them (UTF-16 units).
pub const ID_CHARS: usize = 128;
/// Path of a queue or topic.
pub const ENTITY_PATH_CHARS: usize = 260;
/// Properties as headers: HTTP.sys, which serves Service Bus, takes about 16 KB of head by default,
/// and a bearer token needs its share. More go into the body of a batch.
pub const HEADER_BYTES: usize = 8 * 1024;

/// The largest message for a sender that takes bodies up to `max_body_bytes`.
pub const fn message_bytes(max_body_bytes: usize) -> usize {
    if max_body_bytes <= STANDARD_MESSAGE_BYTES {
        STANDARD_MESSAGE_BYTES
    } else {
        PREMIUM_MESSAGE_BYTES
    }
}
