//! Walks a JSON document and collects every error with its place.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use super::duration;

/// Members of other tools' descriptions of entities that change nothing here.
const WITHOUT_EFFECT: [&str; 16] = [
    "AutoDeleteOnIdle",
    "CompatibilityLevel",
    "DeadLetteringOnFilterEvaluationExceptions",
    "EnableBatchedOperations",
    "EnableExpress",
    "EnablePartitioning",
    "MaxAllowedConnections",
    "MaxMessageSizeInKilobytes",
    "MaxSizeInMegabytes",
    "RequiresPreprocessing",
    "Status",
    "SupportOrdering",
    "UserMetadata",
    "$schema",
    "Id",
    "Description",
];

/// Errors and warnings so far.
#[derive(Debug, Default)]
pub(super) struct Errors {
    pub(super) found: Vec<String>,
    /// By member, with the number of other places that have it.
    ignored: Vec<(String, String, usize)>,
}

impl Errors {
    /// Notes an error.
    pub(super) fn push(&mut self, place: &Place<'_>, reason: impl fmt::Display) {
        self.found.push(format!("{place}: {reason}"));
    }

    /// Notes that a member has no effect: once for all places, and the first is told.
    pub(super) fn ignore(&mut self, parent: &Place<'_>, name: &str, reason: impl fmt::Display) {
        if let Some((_, _, others)) = self.ignored.iter_mut().find(|(other, ..)| other == name) {
            *others += 1;
        } else {
            let place = Place::Member(parent, name);
            self.ignored.push((name.to_owned(), format!("{place}: {reason}"), 0));
        }
    }

    /// A line for each member that has no effect.
    pub(super) fn warnings(self) -> Vec<String> {
        let line = |(_, first, others): (String, String, usize)| match others {
            0 => first,
            1 => format!("{first} (and in 1 other place)"),
            _ => format!("{first} (and in {others} other places)"),
        };
        self.ignored.into_iter().map(line).collect()
    }

    fn expected(&mut self, place: &Place<'_>, what: &str, found: &Value) {
        self.push(place, format_args!("expected {what}, found {found}"));
    }
}

/// Where in the document something stands.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Root,
    Member(&'a Place<'a>, &'a str),
    Element(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the document"),
            Self::Member(Self::Root, name) => f.write_str(name),
            Self::Member(parent, name) => write!(f, "{parent}.{name}"),
            Self::Element(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// An object that knows its place.
pub(super) struct Object<'a> {
    pub(super) place: Place<'a>,
    members: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// The object at a place. Members that are not known have no effect, as in Microsoft's
    /// emulator, whose schema allows them everywhere; here they are told.
    pub(super) fn new(
        value: &'a Value,
        place: Place<'a>,
        known: &[&str],
        errors: &mut Errors,
    ) -> Option<Self> {
        let Value::Object(members) = value else {
            errors.expected(&place, "an object", value);
            return None;
        };
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            if WITHOUT_EFFECT.contains(&name.as_str()) {
                errors.ignore(&place, name, "it has no effect here");
            } else {
                let known = known.join(", ");
                errors.ignore(&place, name, format_args!("unknown, so ignored; known are {known}"));
            }
        }
        Some(Self { place, members })
    }

    /// A member, unless it is left out.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name)
    }

    /// A member that must be there.
    pub(super) fn required(&self, name: &str, errors: &mut Errors) -> Option<&'a Value> {
        let value = self.get(name);
        if value.is_none() {
            errors.push(&Place::Member(&self.place, name), "it is missing");
        }
        value
    }

    /// Notes that a member has no effect.
    pub(super) fn ignored(&self, name: &str, reason: impl fmt::Display, errors: &mut Errors) {
        errors.ignore(&self.place, name, reason);
    }

    /// Notes an error about a member.
    pub(super) fn wrong(&self, name: &str, reason: impl fmt::Display, errors: &mut Errors) {
        errors.push(&Place::Member(&self.place, name), reason);
    }

    /// The elements of an array; none if it is left out.
    pub(super) fn array(&self, name: &str, errors: &mut Errors) -> &'a [Value] {
        match self.get(name) {
            None => &[],
            Some(Value::Array(elements)) => elements,
            Some(other) => {
                errors.expected(&Place::Member(&self.place, name), "an array", other);
                &[]
            }
        }
    }

    /// A string, unless it is left out.
    pub(super) fn string(&self, name: &str, errors: &mut Errors) -> Option<&'a str> {
        let value = self.get(name)?;
        if !value.is_string() {
            errors.expected(&Place::Member(&self.place, name), "a string", value);
        }
        value.as_str()
    }

    /// A boolean; false if it is left out.
    pub(super) fn boolean(&self, name: &str, errors: &mut Errors) -> bool {
        let Some(value) = self.get(name) else { return false };
        if !value.is_boolean() {
            errors.expected(&Place::Member(&self.place, name), "true or false", value);
        }
        value.as_bool().unwrap_or_default()
    }

    /// A whole number within bounds, or the default if it is left out.
    pub(super) fn number(
        &self,
        name: &str,
        bounds: (u32, u32),
        default: u32,
        errors: &mut Errors,
    ) -> u32 {
        let Some(value) = self.get(name) else { return default };
        let (least, most) = bounds;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.filter(|number| (least..=most).contains(number)).unwrap_or_else(|| {
            let what = format!("a whole number from {least} to {most}");
            errors.expected(&Place::Member(&self.place, name), &what, value);
            default
        })
    }

    /// A duration within bounds, or the default if it is left out. The bounds are texts, as the
    /// error shows them.
    pub(super) fn duration(
        &self,
        name: &str,
        bounds: (&str, &str),
        default: Duration,
        errors: &mut Errors,
    ) -> Duration {
        let Some(value) = self.get(name) else { return default };
        let place = Place::Member(&self.place, name);
        let Some(read) = value.as_str().and_then(duration::parse) else {
            errors.expected(&place, "an ISO 8601 duration such as \"PT1M\"", value);
            return default;
        };
        let (least, most) = bounds;
        if duration::parse(least).is_some_and(|least| read < least)
            || duration::parse(most).is_some_and(|most| read > most)
        {
            errors.expected(&place, &format!("a duration from {least} to {most}"), value);
        }
        read
    }
}
