//! Messages that may travel together: those of one entity, credentials and partition. The first
//! leaves at once; what arrives while it is in flight leaves together.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::outbound::{OutboundRequest, PendingMessage};
use crate::buffer::Buffer;
use crate::delivery::BatchConfig;
use crate::message::Entity;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupId(u64);

/// What messages of a batch have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    state: usize,
    entity: Rc<Entity>,
    partition: Option<Rc<str>>,
}

#[derive(Debug)]
struct Group {
    key: Key,
    /// Callouts that have not ended for the first time.
    on_their_way: usize,
    waiting: Vec<PendingMessage>,
    /// The array of those who wait, without its last bracket.
    array: Vec<u8>,
    /// When they leave, whatever is in flight.
    leaves_at: Duration,
}

/// All groups that something is on.
#[derive(Debug)]
pub(super) struct Batcher {
    config: BatchConfig,
    /// Bytes of a batch.
    most_bytes: usize,
    by_key: BTreeMap<Key, GroupId>,
    batcher: BTreeMap<GroupId, Group>,
    last: u64,
}

/// What is to be done with a message that came to a group.
#[derive(Debug, Default)]
pub(super) struct Arrival {
    /// To be sent now.
    pub(super) leaving: Vec<OutboundRequest>,
    /// A group where somebody has begun to wait, and until when.
    pub(super) waits: Option<(GroupId, Duration)>,
}

impl Batcher {
    pub(super) fn new(config: BatchConfig, most_bytes: usize) -> Self {
        Self { config, most_bytes, by_key: BTreeMap::new(), batcher: BTreeMap::new(), last: 0 }
    }

    /// A message arrives; there may be room for a copy of it.
    pub(super) fn arrive(
        &mut self,
        mut pending: PendingMessage,
        state: usize,
        buffer: &Rc<Buffer>,
        now: Duration,
    ) -> Arrival {
        let partition = pending.message.partition().map(Rc::from);
        let key = Key { state, entity: Rc::clone(&pending.entity), partition };
        let id = *self.by_key.entry(key.clone()).or_insert_with(|| {
            self.last += 1;
            GroupId(self.last)
        });
        let group = self.batcher.entry(id).or_insert_with(|| Group {
            key,
            on_their_way: 0,
            waiting: vec![],
            array: vec![],
            leaves_at: now,
        });
        if group.on_their_way == 0 && group.waiting.is_empty() {
            return Arrival { leaving: vec![group.alone(pending, id)], ..Arrival::default() };
        }
        // Two brackets. What is larger than a batch may still be sent by itself, which needs no
        // copy.
        let fits = |element: &Vec<u8>| element.len() + 2 <= self.most_bytes;
        let element = pending.message.element().filter(fits);
        let copy = element.and_then(|it| Some((buffer.reserve(it.len() + 1)?, it)));
        let Some((share, element)) = copy else {
            return Arrival { leaving: vec![group.alone(pending, id)], ..Arrival::default() };
        };
        pending.copy = Some(share);
        let mut arrival = Arrival::default();
        if group.array.len() + element.len() + 2 > self.most_bytes {
            arrival.leaving.extend(group.leave(id));
        }
        // Half of the time that its client still waits is left for the send.
        let patience = pending.deadline.saturating_sub(now) / 2;
        let until = now.saturating_add(self.config.linger.min(patience));
        if group.waiting.is_empty() || until < group.leaves_at {
            group.leaves_at = until;
            arrival.waits = Some((id, until));
        }
        group.array.push(if group.array.is_empty() { b'[' } else { b',' });
        group.array.extend_from_slice(&element);
        group.waiting.push(pending);
        if group.waiting.len() >= self.config.max_messages {
            arrival.waits = None;
            arrival.leaving.extend(group.leave(id));
        }
        arrival
    }

    /// A callout of a group has ended, or will not be made: when it was the last, those who wait
    /// leave.
    pub(super) fn ended(&mut self, id: GroupId) -> Option<OutboundRequest> {
        let group = self.batcher.get_mut(&id)?;
        group.on_their_way = group.on_their_way.saturating_sub(1);
        if group.on_their_way > 0 {
            return None;
        }
        let request = group.leave(id);
        if request.is_none() {
            self.by_key.remove(&group.key);
            self.batcher.remove(&id);
        }
        request
    }

    /// Those who wait have waited long enough.
    pub(super) fn lingered(&mut self, id: GroupId, now: Duration) -> Option<OutboundRequest> {
        self.batcher.get_mut(&id).filter(|group| group.leaves_at <= now)?.leave(id)
    }

    /// Whether nothing is on any group.
    pub(super) fn is_empty(&self) -> bool {
        self.batcher.is_empty()
    }
}

impl Group {
    fn alone(&mut self, pending: PendingMessage, id: GroupId) -> OutboundRequest {
        self.on_their_way += 1;
        let entity = Rc::clone(&self.key.entity);
        OutboundRequest {
            group: Some(id),
            ..OutboundRequest::new(vec![pending], self.key.state, entity)
        }
    }

    fn leave(&mut self, id: GroupId) -> Option<OutboundRequest> {
        if self.waiting.is_empty() {
            return None;
        }
        self.on_their_way += 1;
        let messages = std::mem::take(&mut self.waiting);
        let mut array = std::mem::take(&mut self.array);
        array.push(b']');
        let request = OutboundRequest::new(messages, self.key.state, Rc::clone(&self.key.entity));
        Some(OutboundRequest { group: Some(id), batch: Some(Rc::new(array)), ..request })
    }
}
