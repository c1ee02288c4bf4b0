//! The message of a route, before there is a request.

use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

use chrono::DateTime;

use super::{TextProperty, Value};
use crate::duration;
use crate::template::{Template, Tree};

/// The message of a route.
#[derive(Debug)]
pub struct Send {
    /// Where it goes.
    pub entity: EntityConfig,
    /// Its body.
    pub payload: Payload,
    /// Its content type; the request's, when absent.
    pub content_type: Option<Template>,
    /// Predefined properties.
    pub broker_properties: BrokerConfig,
    /// The operator's properties.
    pub properties: Vec<(String, PropertyConfig)>,
    /// Request headers that become properties.
    pub forward_headers: Vec<ForwardedHeader>,
}

/// Where the messages of a route go.
#[derive(Debug)]
pub enum EntityConfig {
    /// To one of these, as the request says.
    Chosen(Template, Vec<Rc<Entity>>),
    /// All to one.
    Fixed(Rc<Entity>),
}

impl EntityConfig {
    /// Each entity that a message may go to.
    pub(crate) fn all(&self) -> &[Rc<Entity>] {
        match self {
            Self::Chosen(_, entities) => entities,
            Self::Fixed(entity) => std::slice::from_ref(entity),
        }
    }
}

/// A queue or a topic; sends do not tell them apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entity {
    /// The path as Service Bus shows it, such as `eu/orders`.
    pub path: String,
    /// `:path` of a send.
    pub messages_path: Rc<str>,
}

/// The body of a message.
#[derive(Debug)]
pub enum Payload {
    /// The request's, byte for byte.
    Body,
    /// JSON.
    Json(Tree),
    /// A text, or the JSON of what its one expression yields.
    Text(Template),
}

/// The value of a property.
#[derive(Debug)]
pub enum PropertyConfig {
    /// From the request.
    Computed(Template),
    /// The same for all messages.
    Fixed(Value),
}

/// A request header that becomes a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedHeader {
    /// In lower case.
    pub header: String,
    /// The property's name.
    pub property: String,
}

/// What a route sets; each at most once.
#[derive(Debug, Default)]
pub struct BrokerConfig {
    /// Absent, it is the tracking id.
    pub message_id: Option<Template>,
    /// Texts.
    pub texts: Vec<(TextProperty, Template)>,
    /// Lifetime of a message.
    pub time_to_live: Option<Lifetime>,
    /// When a message appears.
    pub scheduled_enqueue_time: Option<ScheduleConfig>,
    /// Moves to the route's content type.
    pub(crate) content_type: Option<Template>,
}

/// Lifetime of a message.
#[derive(Debug)]
pub enum Lifetime {
    /// Computed: a duration as text, or a number of seconds.
    Computed(Template),
    /// The same for all messages.
    Fixed(Duration),
}

/// When a message appears.
#[derive(Debug)]
pub enum ScheduleConfig {
    /// Computed: a text as in the configuration.
    Computed(Template),
    /// The same for all messages.
    Fixed(Schedule),
}

/// When a scheduled message appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At a time since the Unix epoch.
    At(Duration),
    /// So long after the request.
    After(Duration),
}

impl Schedule {
    /// Reads a delay such as `+10m`, or a time in RFC 3339 or RFC 1123.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(delay) = text.strip_prefix('+') {
            return duration::parse(delay).map(Self::After);
        }
        let date = DateTime::parse_from_rfc3339(text)
            .or_else(|_| DateTime::parse_from_rfc2822(text))
            .ok()?;
        let seconds = u64::try_from(date.timestamp()).ok()?;
        Some(Self::At(Duration::new(seconds, date.timestamp_subsec_nanos())))
    }

    /// The time of a message that is sent now.
    pub fn time(self, now: Duration) -> Duration {
        match self {
            Self::At(time) => time,
            Self::After(delay) => now.saturating_add(delay),
        }
    }
}

impl Lifetime {
    /// Reads a duration such as `30s`.
    pub fn parse(text: &str) -> Option<Duration> {
        duration::parse(text).filter(|lifetime| LIFETIMES.contains(lifetime))
    }

    /// Reads a number of seconds.
    pub fn from_seconds(seconds: f64) -> Option<Duration> {
        Duration::try_from_secs_f64(seconds).ok().filter(|lifetime| LIFETIMES.contains(lifetime))
    }
}

/// A second is Service Bus's shortest, the longest .NET `TimeSpan` its longest, in whole days.
pub(crate) const LIFETIMES: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(10_675_199 * 86_400);
