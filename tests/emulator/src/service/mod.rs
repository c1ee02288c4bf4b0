//! What a request means, from its head to its answer.

mod exchange;
mod faults;
mod journal;
mod receive;
mod route;
mod send;

use std::sync::Arc;

use parking_lot::Mutex;

pub use exchange::Exchange;
pub use faults::{Armed, Ending, Fault, Faults, Moment, Plan};
pub use journal::{AmqpRequest, Asked, Check, Entry, Journal};
pub(crate) use route::segments;
pub use route::{Operation, Route};
pub use send::{check_target, outcome, store};

use crate::auth::{self, Trusted};
use crate::broker::{Entity, Namespace, Rules, Timestamp};
use crate::http::{Head, Response};
use crate::refusal::Refusal;
use crate::wire::Tier;
use exchange::Refused;

/// The emulator without its sockets.
#[derive(Debug)]
pub struct Service {
    namespaces: Vec<Namespace>,
    trusted: Mutex<Trusted>,
    tier: Tier,
    faults: Mutex<Faults>,
    journal: Mutex<Journal>,
}

impl Service {
    /// A service for these namespaces, keys and identities.
    #[must_use]
    pub fn new(namespaces: Vec<Namespace>, trusted: Trusted, tier: Tier) -> Self {
        let trusted = Mutex::new(trusted);
        Self { namespaces, trusted, tier, faults: Mutex::default(), journal: Mutex::default() }
    }

    /// Whose tokens are taken from now on.
    #[must_use]
    pub const fn trusted(&self) -> &Mutex<Trusted> {
        &self.trusted
    }

    /// Takes a request in, before its body is read.
    pub fn begin<'a>(&'a self, head: &'a Head) -> Exchange<'a> {
        Exchange::begin(self, head)
    }

    /// Takes in a request that can only be refused. No fault is played.
    pub fn begin_unframed<'a>(&'a self, head: &'a Head) -> Exchange<'a> {
        Exchange::without_faults(self, head)
    }

    /// The answer to what is no request at all.
    #[must_use]
    pub fn refuse_unread(&self, refusal: &Refusal) -> Response {
        Response::error(refusal, "NoSystemTracker", Timestamp::now())
    }

    /// The namespaces.
    #[must_use]
    pub fn namespaces(&self) -> &[Namespace] {
        &self.namespaces
    }

    /// What the namespaces were bought as.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.tier
    }

    /// The armed faults.
    #[must_use]
    pub const fn faults(&self) -> &Mutex<Faults> {
        &self.faults
    }

    /// The latest requests.
    #[must_use]
    pub const fn journal(&self) -> &Mutex<Journal> {
        &self.journal
    }

    /// The entity of a path in the namespace that a host names.
    ///
    /// # Errors
    /// There is none.
    pub fn entity(&self, host: &str, path: &str) -> Result<&Entity, Refusal> {
        self.namespace(host)?.entity(path).ok_or_else(|| {
            Refusal::not_found(format!(
                "40400: The messaging entity 'sb://{host}/{path}' could not be found."
            ))
        })
    }

    /// The rules of a subscription.
    #[must_use]
    pub fn rules(&self, entity: &Entity) -> Option<&Rules> {
        let Entity::Queue(queue) = entity else { return None };
        let entities = self.namespaces.iter().flat_map(|namespace| namespace.entities());
        let subscriptions = entities.filter_map(|entity| match entity {
            Entity::Topic(topic) => Some(topic.subscriptions.iter()),
            Entity::Queue(_) => None,
        });
        let mut own = subscriptions.flatten();
        let own = own.find(|subscription| Arc::ptr_eq(&subscription.entity, queue))?;
        Some(&own.rules)
    }

    /// The namespace that a host names with its first label. Where there is only one, every host
    /// names it.
    fn namespace(&self, host: &str) -> Result<&Namespace, Refusal> {
        if let [only] = self.namespaces.as_slice() {
            return Ok(only);
        }
        let label = host.split('.').next().unwrap_or(host);
        self.namespaces
            .iter()
            .find(|namespace| namespace.name().eq_ignore_ascii_case(label))
            .ok_or_else(|| Refusal::not_found(format!("40400: There is no namespace '{label}'.")))
    }

    /// The entity that the request is for, if its token allows what it asks.
    fn authorized_entity(
        &self,
        head: &Head,
        route: &Route,
        right: auth::Right,
    ) -> Result<&Entity, Refused> {
        let host = auth::host(&head.authority);
        self.namespace(host).map_err(Check::Entity.refuses())?;
        let resource = auth::Resource { host, path: &route.path, entity: &route.entity };
        let refuses = Check::Authorization.refuses();
        let authorization = head.headers.only("authorization").map_err(refuses)?;
        // Before the entity is looked up, as Azure does: 401 hides what exists.
        let trusted = self.trusted.lock();
        auth::verify(authorization, &trusted, resource, right, Timestamp::now())
            .map_err(refuses)?;
        drop(trusted);
        self.entity(host, &route.entity).map_err(Check::Entity.refuses())
    }
}
