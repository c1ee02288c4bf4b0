//! Messages that may travel together: those of one entity, credentials and partition. The first
//! leaves at once; what arrives while it is on its way leaves together.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::parcel::{Job, Parcel};
use crate::buffer::Buffer;
use crate::delivery::BatchConfig;
use crate::message::Entity;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LaneId(u64);

/// What messages of a batch have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    way: usize,
    entity: Rc<Entity>,
    partition: Option<Rc<str>>,
}

#[derive(Debug)]
struct Lane {
    key: Key,
    /// Callouts that have not ended for the first time.
    on_their_way: usize,
    waiting: Vec<Job>,
    /// The array of those who wait, without its last bracket.
    array: Vec<u8>,
    /// When they leave, whatever is on its way.
    leaves_at: Duration,
}

/// All lanes that something is on.
#[derive(Debug)]
pub(super) struct Lanes {
    config: BatchConfig,
    /// Bytes of a batch.
    most_bytes: usize,
    by_key: BTreeMap<Key, LaneId>,
    lanes: BTreeMap<LaneId, Lane>,
    last: u64,
}

/// What is to be done with a message that came to a lane.
#[derive(Debug, Default)]
pub(super) struct Arrival {
    /// To be sent now.
    pub(super) leaving: Vec<Parcel>,
    /// A lane where somebody has begun to wait, and until when.
    pub(super) waits: Option<(LaneId, Duration)>,
}

impl Lanes {
    pub(super) fn new(config: BatchConfig, most_bytes: usize) -> Self {
        Self { config, most_bytes, by_key: BTreeMap::new(), lanes: BTreeMap::new(), last: 0 }
    }

    /// A message arrives; there may be room for a copy of it.
    pub(super) fn arrive(
        &mut self,
        mut job: Job,
        way: usize,
        buffer: &Rc<Buffer>,
        now: Duration,
    ) -> Arrival {
        let partition = job.message.partition().map(Rc::from);
        let key = Key { way, entity: Rc::clone(&job.entity), partition };
        let id = *self.by_key.entry(key.clone()).or_insert_with(|| {
            self.last += 1;
            LaneId(self.last)
        });
        let lane = self.lanes.entry(id).or_insert_with(|| Lane {
            key,
            on_their_way: 0,
            waiting: vec![],
            array: vec![],
            leaves_at: now,
        });
        if lane.on_their_way == 0 && lane.waiting.is_empty() {
            return Arrival { leaving: vec![lane.alone(job, id)], ..Arrival::default() };
        }
        // Two brackets. What is larger than a batch may still be sent by itself, which needs no
        // copy.
        let fits = |element: &Vec<u8>| element.len() + 2 <= self.most_bytes;
        let element = job.message.element().filter(fits);
        let copy = element.and_then(|it| Some((buffer.reserve(it.len() + 1)?, it)));
        let Some((share, element)) = copy else {
            return Arrival { leaving: vec![lane.alone(job, id)], ..Arrival::default() };
        };
        job.copy = Some(share);
        let mut arrival = Arrival::default();
        if lane.array.len() + element.len() + 2 > self.most_bytes {
            arrival.leaving.extend(lane.leave(id));
        }
        // Half of the time that its client still waits is left for the send.
        let patience = job.deadline.saturating_sub(now) / 2;
        let until = now.saturating_add(self.config.linger.min(patience));
        if lane.waiting.is_empty() || until < lane.leaves_at {
            lane.leaves_at = until;
            arrival.waits = Some((id, until));
        }
        lane.array.push(if lane.array.is_empty() { b'[' } else { b',' });
        lane.array.extend_from_slice(&element);
        lane.waiting.push(job);
        if lane.waiting.len() >= self.config.max_messages {
            arrival.waits = None;
            arrival.leaving.extend(lane.leave(id));
        }
        arrival
    }

    /// A callout of a lane has ended, or will not be made: when it was the last, those who wait
    /// leave.
    pub(super) fn ended(&mut self, id: LaneId) -> Option<Parcel> {
        let lane = self.lanes.get_mut(&id)?;
        lane.on_their_way = lane.on_their_way.saturating_sub(1);
        if lane.on_their_way > 0 {
            return None;
        }
        let parcel = lane.leave(id);
        if parcel.is_none() {
            self.by_key.remove(&lane.key);
            self.lanes.remove(&id);
        }
        parcel
    }

    /// Those who wait have waited long enough.
    pub(super) fn lingered(&mut self, id: LaneId, now: Duration) -> Option<Parcel> {
        self.lanes.get_mut(&id).filter(|lane| lane.leaves_at <= now)?.leave(id)
    }

    /// Whether nothing is on any lane.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }
}

impl Lane {
    fn alone(&mut self, job: Job, id: LaneId) -> Parcel {
        self.on_their_way += 1;
        let entity = Rc::clone(&self.key.entity);
        Parcel { lane: Some(id), ..Parcel::new(vec![job], self.key.way, entity) }
    }

    fn leave(&mut self, id: LaneId) -> Option<Parcel> {
        if self.waiting.is_empty() {
            return None;
        }
        self.on_their_way += 1;
        let jobs = std::mem::take(&mut self.waiting);
        let mut array = std::mem::take(&mut self.array);
        array.push(b']');
        let parcel = Parcel::new(jobs, self.key.way, Rc::clone(&self.key.entity));
        Some(Parcel { lane: Some(id), batch: Some(Rc::new(array)), ..parcel })
    }
}
