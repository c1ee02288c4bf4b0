//! Takes messages from the queue and works on their orders.

use std::convert::Infallible;
use std::fmt;
use std::time::{Duration, SystemTime};

use redis::RedisError;

use crate::order::{Order, Poison};
use crate::queue::{Delivery, Queue, QueueError};
use crate::status::Status;
use crate::store::{Claim, Store};

/// How long the broker is asked to wait for a message.
const LONG_POLL: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Works on one message at a time.
#[derive(Clone)]
pub struct Worker {
    /// Where orders come from.
    pub queue: Queue,
    /// Where their status goes.
    pub store: Store,
    /// What an order takes: here, nothing is made or shipped.
    pub work_time: Duration,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its order is done, and it is off the queue.
    Completed,
    /// Its order was done before; it is off the queue.
    Repeated,
    /// Another worker has it in hand, and it stays locked: given back, it would come again at once
    /// and be dead-lettered before that worker is done.
    Left,
    /// It is no order, and given back: after some deliveries it is dead-lettered.
    Poisoned(Poison),
}

/// A passing error: the message was given back, or its lock will run out.
#[derive(Debug)]
pub enum Failed {
    /// Of the queue.
    Queue(QueueError),
    /// Of the store.
    Store(RedisError),
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => formatter.write_str("completed"),
            Self::Repeated => formatter.write_str("completed before"),
            Self::Left => formatter.write_str("in another worker's hands"),
            Self::Poisoned(poison) => write!(formatter, "failed: {poison}"),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(error) => error.fmt(formatter),
            Self::Store(error) => write!(formatter, "cannot use the store: {error}"),
        }
    }
}

impl std::error::Error for Failed {}

impl From<QueueError> for Failed {
    fn from(error: QueueError) -> Self {
        Self::Queue(error)
    }
}

impl From<RedisError> for Failed {
    fn from(error: RedisError) -> Self {
        Self::Store(error)
    }
}

impl Worker {
    /// Takes one message after another until `stop` is done; the message in hand is finished.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut failures = 0;
        loop {
            let received = tokio::select! {
                () = &mut stop => return,
                received = self.next() => received,
            };
            let result = match received {
                Ok(Some(delivery)) => self.take(&delivery).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            let Err(error) = result else {
                failures = 0;
                continue;
            };
            eprintln!("{error}");
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(pause(failures)) => failures += 1,
            }
        }
    }

    /// The next message. None is taken while the store is away: it would only be given back, and
    /// dead-lettered after some times.
    async fn next(&self) -> Result<Option<Delivery>, Failed> {
        self.store.ping().await?;
        Ok(self.queue.receive(LONG_POLL).await?)
    }

    async fn take(&self, delivery: &Delivery) -> Result<(), Failed> {
        let (id, count) = (&delivery.message_id, delivery.delivery_count);
        match self.handle(delivery).await {
            Ok(outcome) => {
                eprintln!("message {id:?}, delivery {count}: {outcome}");
                Ok(())
            }
            Err(error) => {
                eprintln!("message {id:?}, delivery {count}: given back");
                self.give_back(delivery).await;
                Err(error)
            }
        }
    }

    /// Works on one message and settles it.
    ///
    /// # Errors
    /// The queue or the store failed: the message is not settled.
    pub async fn handle(&self, delivery: &Delivery) -> Result<Outcome, Failed> {
        let Delivery { message_id, body, lock, .. } = delivery;
        match self.store.claim(message_id, &lock.token, lock.held).await? {
            Claim::Ours => {}
            Claim::Taken => return Ok(Outcome::Left),
            Claim::Done => {
                self.queue.complete(lock).await?;
                return Ok(Outcome::Repeated);
            }
        }
        let order = match Order::parse(body) {
            Ok(order) => order,
            Err(poison) => {
                self.refuse(delivery, &poison).await?;
                return Ok(Outcome::Poisoned(poison));
            }
        };
        self.store.write(&Status::processing(&order.tracking_id, SystemTime::now())).await?;
        tokio::select! {
            () = self.work() => {}
            lost = self.keep(delivery) => match lost? {},
        }
        let done = Status::completed(&order.tracking_id, order.result(), SystemTime::now());
        if !self.store.finish(message_id, &lock.token, &done).await? {
            return Ok(Outcome::Left);
        }
        self.queue.complete(lock).await?;
        Ok(Outcome::Completed)
    }

    async fn work(&self) {
        tokio::time::sleep(self.work_time).await;
    }

    /// Keeps lock and claim until dropped; ends only when they cannot be kept.
    async fn keep(&self, delivery: &Delivery) -> Result<Infallible, Failed> {
        let Delivery { message_id, lock, .. } = delivery;
        loop {
            tokio::time::sleep(lock.held / 2).await;
            self.queue.renew(lock).await?;
            // A claim that was lost in between is found out when the order is finished.
            self.store.renew(message_id, &lock.token, lock.held).await?;
        }
    }

    /// Tells the client why there is no order, and gives the message back.
    async fn refuse(&self, delivery: &Delivery, poison: &Poison) -> Result<(), Failed> {
        let Delivery { message_id, body, lock, .. } = delivery;
        // The gateway's message id is the tracking id unless it is told otherwise.
        let tracking_id = Order::tracking_id(body).unwrap_or_else(|| message_id.clone());
        let status = Status::failed(&tracking_id, &poison.to_string(), SystemTime::now());
        self.store.write(&status).await?;
        self.store.release(message_id, &lock.token).await?;
        Ok(self.queue.abandon(lock).await?)
    }

    /// After a failure. What cannot be given back now comes again when lock and claim run out.
    async fn give_back(&self, delivery: &Delivery) {
        let Delivery { message_id, lock, .. } = delivery;
        if let Err(error) = self.store.release(message_id, &lock.token).await {
            eprintln!("message {message_id:?}: its claim stays until it runs out: {error}");
        }
        if let Err(error) = self.queue.abandon(lock).await {
            eprintln!("message {message_id:?}: its lock stays until it runs out: {error}");
        }
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let millis = |failures| pause(failures).as_millis();
        assert_eq!([0, 1, 2, 4, 5, u32::MAX].map(millis), [200, 400, 800, 3200, 5000, 5000]);
    }
}
