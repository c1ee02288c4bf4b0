//! The broker's rules, without I/O and without a clock.

mod duplicates;
mod holding;
mod identifier;
mod ledger;
mod message;
mod namespace;
mod queue;
mod receiving;
mod rules;
mod scalar;
mod schedule;
mod sessions;
mod store;
mod timestamp;
mod topic;

pub use duplicates::DuplicateHistory;
pub use identifier::CompactId;
pub use ledger::Ledger;
pub use message::{Bare, BrokerProperties, Form, Message, Properties, PropertyValue};
pub use namespace::{Entity, Namespace, QueueEntity, Subscription, TopicEntity};
pub use queue::{Acceptance, Delivery, Queue, QueueSettings, SubQueue};
pub use receiving::{DeferredError, MessageState, Mode, SettleError, Settlement, Source};
pub use rules::{
    Action, CorrelationFilter, DEFAULT_RULE, Field, Filter, Rule, RuleError, RuleFailure, Rules,
    Selected, SqlError, SqlFilter,
};
pub use scalar::Scalar;
pub use schedule::Schedule;
pub use sessions::{SessionHeld, SessionLock, SessionView, Sessions};
pub use store::{DeadLetter, LockLost, Modified, Store, Stored};
pub use timestamp::Timestamp;
pub use topic::{Topic, TopicSettings};

#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod settlement_tests;
#[cfg(test)]
mod topic_tests;
