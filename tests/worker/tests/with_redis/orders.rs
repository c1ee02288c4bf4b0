//! One message after another.

use std::time::Duration;

use order_worker::order::Poison;
use order_worker::store::Claim;
use order_worker::worker::Outcome;
use serde_json::{Value, json};

use crate::bus::{Bus, order, status, wait_until};
use crate::server::Redis;

const WEEK: u64 = 7 * 24 * 3600;

#[tokio::test]
#[ignore = "needs Redis"]
async fn an_order_is_completed_and_its_status_kept_for_a_week() {
    let (redis, bus) = (Redis::start(), Bus::start().await);
    bus.send("m-1", &order("t-1")).await;

    let outcome = bus.worker(&redis).handle(&bus.receive().await).await.unwrap();

    assert_eq!(outcome, Outcome::Completed);
    let status = status(&redis, "t-1").await;
    assert_eq!(status["completedAt"], status["updatedAt"]);
    assert!(status["completedAt"].as_str().unwrap().ends_with('Z'), "{status}");
    assert_eq!(status["trackingId"], "t-1");
    assert_eq!(status["status"], "completed");
    assert_eq!(status["progress"], 100);
    assert_eq!(status["result"], json!({"orderId": "o-1", "items": 1}));
    for key in ["order:status:t-1", "order:message:m-1"] {
        let left = redis.seconds_left(key).await;
        assert!((WEEK - 3600..=WEEK).contains(&left), "{key}: {left}");
    }
    assert_eq!(redis.store().completed().await.unwrap(), 1);
    assert_eq!(bus.counts().await, [0, 0, 0]);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn an_order_in_hand_is_processing() {
    let (redis, bus) = (Redis::start(), Bus::start().await);
    let mut worker = bus.worker(&redis);
    worker.work_time = Duration::from_secs(3600);
    bus.send("m-1", &order("t-1")).await;
    let delivery = bus.receive().await;

    let working = tokio::spawn(async move { worker.handle(&delivery).await });
    wait_until("status", async || status(&redis, "t-1").await != Value::Null).await;

    let mut status = status(&redis, "t-1").await;
    assert!(status["updatedAt"].take().is_string());
    let expected =
        json!({"trackingId": "t-1", "status": "processing", "progress": 0, "updatedAt": null});
    assert_eq!(status, expected);
    assert_eq!(redis.store().completed().await.unwrap(), 0);
    working.abort();
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_message_that_comes_again_is_not_worked_on_again() {
    let (redis, bus) = (Redis::start(), Bus::start().await);
    let worker = bus.worker(&redis);
    bus.send("m-1", &order("t-1")).await;
    assert_eq!(worker.handle(&bus.receive().await).await.unwrap(), Outcome::Completed);
    let first = status(&redis, "t-1").await;

    bus.send("m-1", &order("t-1")).await;
    let outcome = worker.handle(&bus.receive().await).await.unwrap();

    assert_eq!(outcome, Outcome::Repeated);
    assert_eq!(status(&redis, "t-1").await, first);
    assert_eq!(redis.store().completed().await.unwrap(), 1);
    assert_eq!(bus.counts().await, [0, 0, 0]);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_message_in_another_workers_hands_is_left_to_it() {
    let (redis, bus) = (Redis::start(), Bus::start().await);
    let held = Duration::from_secs(60);
    assert_eq!(redis.store().claim("m-1", "another lock", held).await.unwrap(), Claim::Ours);
    bus.send("m-1", &order("t-1")).await;

    let outcome = bus.worker(&redis).handle(&bus.receive().await).await.unwrap();

    assert_eq!(outcome, Outcome::Left);
    assert_eq!(status(&redis, "t-1").await, Value::Null);
    assert_eq!(bus.counts().await, [0, 1, 0], "still locked");
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn an_order_whose_claim_was_lost_is_not_carried_out() {
    let (redis, bus) = (Redis::start(), Bus::start().await);
    let mut worker = bus.worker(&redis);
    worker.work_time = Duration::from_secs(1);
    bus.send("m-1", &order("t-1")).await;
    let delivery = bus.receive().await;

    let working = tokio::spawn(async move { worker.handle(&delivery).await });
    wait_until("status", async || status(&redis, "t-1").await != Value::Null).await;
    redis.set("order:message:m-1", "another lock").await;

    assert_eq!(working.await.unwrap().unwrap(), Outcome::Left);
    assert_eq!(status(&redis, "t-1").await["status"], "processing");
    assert_eq!(redis.store().completed().await.unwrap(), 0);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_poison_order_fails_and_is_dead_lettered_after_its_deliveries() {
    let (redis, bus) = (Redis::start(), Bus::start().await);
    let worker = bus.worker(&redis);
    let poison = json!({"trackingId": "t-1", "orderId": "o-1", "items": []}).to_string();
    bus.send("m-1", &poison).await;

    for count in 1..=3 {
        let delivery = bus.receive().await;
        assert_eq!(delivery.delivery_count, count);
        let outcome = worker.handle(&delivery).await.unwrap();
        assert_eq!(outcome, Outcome::Poisoned(Poison::NoItems));
    }

    assert_eq!(bus.counts().await, [0, 0, 1]);
    let status = status(&redis, "t-1").await;
    assert_eq!(status["status"], "failed");
    assert_eq!(status["result"], json!({"error": "the order has no items"}));
    let dead = bus.queue("orders/$DeadLetterQueue").receive(Duration::ZERO).await.unwrap();
    assert_eq!(dead.unwrap().body, poison);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_message_without_an_id_of_an_order_fails_under_its_own() {
    let (redis, bus) = (Redis::start(), Bus::start().await);
    bus.send("m-1", "no order").await;

    let outcome = bus.worker(&redis).handle(&bus.receive().await).await.unwrap();

    assert_eq!(outcome, Outcome::Poisoned(Poison::NotJson));
    let status = status(&redis, "m-1").await;
    assert_eq!(status["status"], "failed");
    assert_eq!(status["result"], json!({"error": "the message is not a JSON object"}));
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_lock_is_renewed_while_an_order_takes_longer() {
    let (redis, bus) = (Redis::start(), Bus::start().await);
    let mut worker = bus.worker(&redis);
    // Longer than the queue's lock of 5 seconds.
    worker.work_time = Duration::from_secs(6);
    bus.send("m-1", &order("t-1")).await;

    let outcome = worker.handle(&bus.receive().await).await.unwrap();

    assert_eq!(outcome, Outcome::Completed);
    assert!(bus.verdicts("lock renewed").await >= 2);
    assert_eq!(bus.counts().await, [0, 0, 0]);
}
