//! What a link's address names.

use percent_encoding::percent_decode_str;

use crate::broker::SubQueue;

/// A place that links attach to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where tokens are put.
    Cbs,
    /// Where an entity is asked for what transfers cannot say.
    Management(SubQueue),
    /// An entity or its dead-letter queue.
    Messages(SubQueue),
}

/// An address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Every segment, decoded.
    pub path: Vec<String>,
    /// The path of the entity, case as sent.
    pub entity: String,
    /// What of it is meant.
    pub place: Place,
}

impl Address {
    /// The `$management` of an entity.
    #[must_use]
    pub fn management(entity: &str, part: SubQueue) -> Self {
        let mut path: Vec<String> = entity.split('/').map(str::to_owned).collect();
        if part == SubQueue::DeadLetter {
            path.push("$DeadLetterQueue".to_owned());
        }
        path.push("$management".to_owned());
        Self { path, entity: entity.to_owned(), place: Place::Management(part) }
    }

    /// Reads `amqps://host:port/queue`, `/queue` or `queue`, with `/$DeadLetterQueue` and
    /// `/$management`. `None` if a segment is empty or no UTF-8.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let path = segments(text)?;
        let is = |segment: &String, name: &str| segment.eq_ignore_ascii_case(name);
        let mut entity = path.as_slice();
        if let [only] = entity
            && is(only, "$cbs")
        {
            return Some(Self { entity: String::new(), place: Place::Cbs, path });
        }
        let mut is_management = false;
        let mut part = SubQueue::Main;
        if let [before @ .., last] = entity
            && is(last, "$management")
        {
            (entity, is_management) = (before, true);
        }
        if let [before @ .., last] = entity
            && is(last, "$DeadLetterQueue")
        {
            (entity, part) = (before, SubQueue::DeadLetter);
        }
        let entity = entity.join("/");
        let place = if is_management { Place::Management(part) } else { Place::Messages(part) };
        (!entity.is_empty()).then_some(Self { path, entity, place })
    }
}

/// The segments of an address or an audience, without scheme, host and query.
#[must_use]
pub fn segments(text: &str) -> Option<Vec<String>> {
    let rest = match text.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => text.strip_prefix('/').unwrap_or(text),
    };
    let rest = rest.split('?').next().unwrap_or(rest);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let decode = |segment: &str| {
        let decoded = percent_decode_str(segment).decode_utf8().ok()?;
        (!decoded.is_empty()).then(|| decoded.into_owned())
    };
    rest.split('/').map(decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sdk_spells_addresses_its_own_way() {
        use SubQueue::{DeadLetter, Main};
        for (text, entity, place) in [
            ("amqps://localhost:5671/orders", "orders", Place::Messages(Main)),
            ("orders", "orders", Place::Messages(Main)),
            ("/dept/orders", "dept/orders", Place::Messages(Main)),
            ("t/Subscriptions/s", "t/Subscriptions/s", Place::Messages(Main)),
            (
                "t/subscriptions/s/$deadletterqueue",
                "t/subscriptions/s",
                Place::Messages(DeadLetter),
            ),
            ("orders/$management", "orders", Place::Management(Main)),
            ("orders/$DeadLetterQueue/$management", "orders", Place::Management(DeadLetter)),
            ("$cbs", "", Place::Cbs),
            ("amqp://localhost/$cbs", "", Place::Cbs),
            ("orders%20new", "orders new", Place::Messages(Main)),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((&*address.entity, address.place), (entity, place), "{text}");
        }
        for wrong in ["", "/", "a//b", "$management", "%ff", "amqps://host"] {
            assert_eq!(Address::parse(wrong), None, "{wrong}");
        }
    }
}
