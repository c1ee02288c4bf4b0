//! Parts that fail for a while.

use std::time::Duration;

use order_worker::worker::Worker;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::bus::{Bus, order, status, wait_until};
use crate::server::Redis;

/// A worker at work until the test ends.
struct Running(JoinHandle<()>);

impl Running {
    fn start(worker: Worker) -> Self {
        Self(tokio::spawn(async move { worker.run(std::future::pending()).await }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn wait_for_completion(redis: &Redis, tracking_id: &str) {
    let completed = async || status(redis, tracking_id).await["status"] == "completed";
    wait_until("completed order", completed).await;
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn no_message_is_taken_while_the_store_is_away() {
    let (mut redis, bus) = (Redis::start(), Bus::start().await);
    let worker = bus.worker(&redis);
    redis.stop();
    bus.send("m-1", &order("t-1")).await;

    let _running = Running::start(worker);
    // Long enough for some attempts: 0, 0.2, 0.6 and 1.4 seconds.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(bus.counts().await, [1, 0, 0]);
    redis.start_again();

    wait_for_completion(&redis, "t-1").await;
    assert_eq!(redis.store().completed().await.unwrap(), 1);
    assert_eq!(bus.verdicts("abandoned").await, 0);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_message_is_given_back_when_the_store_goes_away_during_the_work() {
    let (mut redis, bus) = (Redis::start(), Bus::start().await);
    let mut worker = bus.worker(&redis);
    worker.work_time = Duration::from_secs(1);
    bus.send("m-1", &order("t-1")).await;

    let _running = Running::start(worker);
    let begun = async || status(&redis, "t-1").await["status"] == "processing";
    wait_until("beginning", begun).await;
    redis.stop();

    wait_until("message given back", async || bus.counts().await == [1, 0, 0]).await;
    redis.start_again();
    wait_for_completion(&redis, "t-1").await;
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn an_order_whose_message_could_not_be_completed_is_done_once() {
    let (redis, bus) = (Redis::start(), Bus::start().await);
    bus.arm(&json!({"fault": {"status": 500}, "operation": "complete", "count": 1})).await;
    bus.send("m-1", &order("t-1")).await;

    let _running = Running::start(bus.worker(&redis));

    wait_until("empty queue", async || bus.counts().await == [0, 0, 0]).await;
    assert_eq!(status(&redis, "t-1").await["status"], "completed");
    assert_eq!(redis.store().completed().await.unwrap(), 1);
    assert_eq!(bus.verdicts("abandoned").await, 1);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_worker_outlives_a_queue_that_refuses() {
    let (redis, bus) = (Redis::start(), Bus::start().await);
    bus.arm(&json!({"fault": {"status": 503}, "operation": "peek_lock", "count": 2})).await;
    bus.send("m-1", &order("t-1")).await;

    let _running = Running::start(bus.worker(&redis));

    wait_for_completion(&redis, "t-1").await;
}
