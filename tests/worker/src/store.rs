//! Redis: the status of orders, and who works on which message.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, Client, RedisResult, Script};

use crate::status::Status;

/// How long a status is kept, and how long a message that comes again is known.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The keys of statuses begin with it.
pub const STATUS_PREFIX: &str = "order:status:";

const CLAIM_PREFIX: &str = "order:message:";
/// How many orders were ever completed: what working on an order comes to, here.
const COMPLETED: &str = "order:completed";
/// What stands in a claim when its message needs no more work. No lock token looks like it.
const DONE: &str = "done";

/// Whoever asks for a status must not wait long for a store that is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a worker may do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Work on it.
    Ours,
    /// Nothing: another worker has it in hand.
    Taken,
    /// Complete it: its order is done.
    Done,
}

/// A store; its clones share one connection, which comes back by itself.
#[derive(Clone)]
pub struct Store {
    connection: ConnectionManager,
}

impl Store {
    /// A store at a URL such as `redis://127.0.0.1:6379`. It connects when it is first asked.
    ///
    /// # Errors
    /// The URL is not one.
    pub fn new(url: &str) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connection = ConnectionManager::new_lazy_with_config(Client::open(url)?, config)?;
        Ok(Self { connection })
    }

    /// Whether the store is there.
    ///
    /// # Errors
    /// It is not.
    pub async fn ping(&self) -> RedisResult<()> {
        redis::cmd("PING").query_async(&mut self.connection.clone()).await
    }

    /// The status under a whole key, as it was written.
    ///
    /// # Errors
    /// The store is away.
    pub async fn status(&self, key: &str) -> RedisResult<Option<Vec<u8>>> {
        self.connection.clone().get(key).await
    }

    /// Writes the status of an order.
    ///
    /// # Errors
    /// The store is away.
    pub async fn write(&self, status: &Status) -> RedisResult<()> {
        let (key, json) = entry(status)?;
        self.connection.clone().set_ex(key, json, KEPT.as_secs()).await
    }

    /// Claims a message for the holder of a lock on it.
    ///
    /// The claim ends with the lock: should the worker die, another one gets both.
    ///
    /// # Errors
    /// The store is away.
    pub async fn claim(&self, message: &str, lock: &str, held: Duration) -> RedisResult<Claim> {
        let script = Script::new(
            "if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return ARGV[1] end
             return redis.call('GET', KEYS[1])",
        );
        let holder: String = script
            .key(claim_key(message))
            .arg(lock)
            .arg(millis(held))
            .invoke_async(&mut self.connection.clone())
            .await?;
        Ok(match holder {
            holder if holder == lock => Claim::Ours,
            holder if holder == DONE => Claim::Done,
            _ => Claim::Taken,
        })
    }

    /// Keeps a claim for as long as its lock is held anew; whether it is still ours.
    ///
    /// # Errors
    /// The store is away.
    pub async fn renew(&self, message: &str, lock: &str, held: Duration) -> RedisResult<bool> {
        let script = Script::new(
            "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
             return redis.call('PEXPIRE', KEYS[1], ARGV[2])",
        );
        let mut call = script.key(claim_key(message));
        call.arg(lock).arg(millis(held)).invoke_async(&mut self.connection.clone()).await
    }

    /// Gives a claim up, if it is ours.
    ///
    /// # Errors
    /// The store is away.
    pub async fn release(&self, message: &str, lock: &str) -> RedisResult<()> {
        let script = Script::new(
            "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end",
        );
        let mut call = script.key(claim_key(message));
        call.arg(lock).invoke_async(&mut self.connection.clone()).await
    }

    /// Carries an order out: its work, its status and the mark that its message is done, all or
    /// nothing. False if the claim is no longer ours, and then nothing was done.
    ///
    /// # Errors
    /// The store is away; it may have been carried out.
    pub async fn finish(&self, message: &str, lock: &str, status: &Status) -> RedisResult<bool> {
        let script = Script::new(
            "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
             redis.call('INCR', KEYS[3])
             redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[4])
             redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[4])
             return 1",
        );
        let (key, json) = entry(status)?;
        let mut call = script.key(claim_key(message));
        call.key(key).key(COMPLETED).arg(lock).arg(DONE).arg(json).arg(KEPT.as_secs());
        call.invoke_async(&mut self.connection.clone()).await
    }

    /// How many orders were ever carried out.
    ///
    /// # Errors
    /// The store is away.
    pub async fn completed(&self) -> RedisResult<u64> {
        let count: Option<u64> = self.connection.clone().get(COMPLETED).await?;
        Ok(count.unwrap_or_default())
    }
}

fn entry(status: &Status) -> RedisResult<(String, String)> {
    let json = serde_json::to_string(status).map_err(std::io::Error::other)?;
    Ok((format!("{STATUS_PREFIX}{}", status.tracking_id), json))
}

fn claim_key(message: &str) -> String {
    format!("{CLAIM_PREFIX}{message}")
}

/// At least one: Redis refuses an expiry of nothing.
fn millis(held: Duration) -> u64 {
    u64::try_from(held.as_millis()).unwrap_or(u64::MAX).max(1)
}
