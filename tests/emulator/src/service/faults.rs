//! Faults on demand: what goes wrong, where, how often.

use std::time::Duration;

use super::Operation;

/// A fault as it is to be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request waits, then goes on to the next fault or its normal course.
    Delay(Duration),
    /// The lock that the request is about is lost, then the request goes on.
    LoseLock,
    /// The request ends otherwise than it would.
    Ending(Ending),
}

/// How a request ends that a fault has hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The request is answered with this status.
    Status {
        /// Any status that is no success.
        status: u16,
        /// The condition that AMQP answers with in its place.
        condition: String,
        /// The text of the error body.
        detail: String,
        /// Headers to add.
        headers: Vec<(String, String)>,
        /// The request is carried out all the same.
        store: bool,
    },
    /// The request is never answered.
    Stall {
        /// It is carried out all the same.
        store: bool,
    },
    /// The connection is reset.
    Reset(Moment),
}

impl Ending {
    /// Whether the request is carried out before it ends so.
    #[must_use]
    pub const fn carries_out(&self) -> bool {
        match self {
            Self::Status { store, .. } | Self::Stall { store } => *store,
            Self::Reset(moment) => matches!(moment, Moment::AfterStoring | Moment::AfterHeaders),
        }
    }
}

impl Plan {
    /// Whether the request is carried out at all.
    #[must_use]
    pub fn carries_out(&self) -> bool {
        self.ending.as_ref().is_none_or(Ending::carries_out)
    }
}

/// What a request is in for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How long it waits first.
    pub delay: Duration,
    /// The lock that it is about is lost first.
    pub loses_lock: bool,
    /// How it ends, if not normally.
    pub ending: Option<Ending>,
}

/// When a connection is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After the headers of the request, before its body.
    BeforeReading,
    /// After the body, before anything is done.
    AfterReading,
    /// After the message is stored, before a byte of the answer.
    AfterStoring,
    /// After the headers of the answer.
    AfterHeaders,
}

impl Moment {
    /// Each moment with its name in the admin API.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("before_reading", Self::BeforeReading),
        ("after_reading", Self::AfterReading),
        ("after_storing", Self::AfterStoring),
        ("after_headers", Self::AfterHeaders),
    ];
}

/// A fault with the requests it is for.
#[derive(Debug)]
pub struct Armed {
    /// Only requests to this entity, in lower case.
    pub entity: Option<String>,
    /// Only this operation.
    pub operation: Option<Operation>,
    /// What goes wrong.
    pub fault: Fault,
    /// How often it can still fire; `None` without end.
    pub remaining: Option<u64>,
    /// The chance to fire, and where it is drawn from.
    pub chance: Option<(f64, fastrand::Rng)>,
    /// How often it has fired.
    pub fired: u64,
    /// How it was armed, for the one who asks.
    pub description: serde_json::Value,
}

/// Faults in the order in which they were armed.
#[derive(Debug, Default)]
pub struct Faults(Vec<Armed>);

impl Faults {
    /// Arms a fault.
    pub fn arm(&mut self, armed: Armed) {
        self.0.push(armed);
    }

    /// Disarms every fault.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether none was ever armed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults, spent ones too.
    pub fn iter(&self) -> impl Iterator<Item = &Armed> {
        self.0.iter()
    }

    /// What a request is in for: delays, up to the first ending.
    pub fn draw(&mut self, entity: &str, operation: Operation) -> Plan {
        let mut plan = Plan::default();
        if self.0.is_empty() {
            return plan;
        }
        let entity = entity.to_lowercase();
        for armed in &mut self.0 {
            if !armed.fires(&entity, operation) {
                continue;
            }
            match &armed.fault {
                Fault::Delay(span) => plan.delay += *span,
                Fault::LoseLock => plan.loses_lock = true,
                Fault::Ending(ending) => {
                    plan.ending = Some(ending.clone());
                    break;
                }
            }
        }
        plan
    }
}

impl Armed {
    fn fires(&mut self, entity: &str, operation: Operation) -> bool {
        let matches = self.entity.as_ref().is_none_or(|own| own == entity)
            && self.operation.is_none_or(|own| own == operation)
            && self.remaining != Some(0);
        if !matches {
            return false;
        }
        if let Some((probability, draws)) = &mut self.chance
            && draws.f64() >= *probability
        {
            return false;
        }
        self.remaining = self.remaining.map(|remaining| remaining - 1);
        self.fired += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armed(fault: Fault) -> Armed {
        Armed {
            entity: None,
            operation: None,
            fault,
            remaining: None,
            chance: None,
            fired: 0,
            description: serde_json::Value::Null,
        }
    }

    const STALL: Ending = Ending::Stall { store: false };
    const RESET: Ending = Ending::Reset(Moment::AfterReading);
    const SECOND: Duration = Duration::from_secs(1);

    fn ending(ending: Ending) -> Plan {
        Plan { ending: Some(ending), ..Plan::default() }
    }

    #[test]
    fn the_first_that_matches_fires_as_often_as_it_may() {
        let mut faults = Faults::default();
        let entity = Some("orders".to_owned());
        faults.arm(Armed { entity, remaining: Some(2), ..armed(Fault::Ending(STALL)) });
        let operation = Some(Operation::Send);
        faults.arm(Armed { operation, ..armed(Fault::Ending(RESET)) });

        assert_eq!(faults.draw("events", Operation::PeekLock), Plan::default());
        assert_eq!(faults.draw("Orders", Operation::PeekLock), ending(STALL));
        assert_eq!(faults.draw("orders", Operation::Send), ending(STALL));
        assert_eq!(faults.draw("orders", Operation::Send), ending(RESET));
        assert_eq!(faults.iter().map(|armed| armed.fired).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn a_delay_goes_on_to_the_next_fault() {
        let mut faults = Faults::default();
        for fault in [Fault::Delay(SECOND), Fault::Ending(STALL), Fault::Delay(SECOND)] {
            faults.arm(armed(fault));
        }
        let plan = Plan { delay: SECOND, ending: Some(STALL), ..Plan::default() };
        assert_eq!(faults.draw("q", Operation::Send), plan);
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let draw = |seed| {
            let mut faults = Faults::default();
            let chance = Some((0.2, fastrand::Rng::with_seed(seed)));
            faults.arm(Armed { chance, ..armed(Fault::Ending(STALL)) });
            let fired = |_| faults.draw("q", Operation::Send).ending.is_some();
            (0..1000).map(fired).collect::<Vec<_>>()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let hits = draw(1).into_iter().filter(|fired| *fired).count();
        assert!((150..250).contains(&hits), "{hits}");
    }
}
