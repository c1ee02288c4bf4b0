//! The broker's rules, without I/O and without a clock.

mod duplicates;
mod filter;
mod identifier;
mod ledger;
mod message;
mod namespace;
mod queue;
mod rule;
mod scalar;
mod store;
mod timestamp;
mod topic;

pub use duplicates::DuplicateHistory;
pub use filter::{CorrelationFilter, Field, Filter};
pub use identifier::CompactId;
pub use ledger::Ledger;
pub use message::{BrokerProperties, Form, Message, Properties, PropertyValue};
pub use namespace::{Entity, Namespace, QueueEntity, Subscription, TopicEntity};
pub use queue::{Acceptance, Delivery, Queue, QueueSettings, SubQueue};
pub use rule::{DEFAULT_RULE, Rule, RuleError, Rules};
pub use scalar::Scalar;
pub use store::{DeadLetter, LockLost, Store, Stored};
pub use timestamp::Timestamp;
pub use topic::{Topic, TopicSettings};

#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod topic_tests;
