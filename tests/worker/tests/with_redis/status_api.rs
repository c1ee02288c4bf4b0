//! The status over HTTP.

use std::time::SystemTime;

use order_worker::status::Status;
use order_worker::status_api::serve;
use serde_json::json;
use tokio::net::TcpListener;

use crate::client::ask;
use crate::server::Redis;

async fn start(redis: &Redis) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, redis.store(), std::future::pending()));
    origin
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_known_order_is_answered_with_what_the_store_holds() {
    let redis = Redis::start();
    let origin = start(&redis).await;
    let status = Status::processing("a b/c", SystemTime::now());
    redis.store().write(&status).await.unwrap();

    let answer = ask(&origin, "GET /order:status:a%20b%2Fc?ignored", "", "").await;

    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("\r\ncontent-type: application/json\r\n"), "{}", answer.head);
    assert_eq!(answer.body, serde_json::to_string(&status).unwrap());
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn an_order_that_nobody_knows_is_not_found() {
    let redis = Redis::start();
    let answer = ask(&start(&redis).await, "GET /order:status:t-1", "", "").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json(), json!({"error": "no order is known by this id"}));
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn other_keys_and_methods_are_refused() {
    let redis = Redis::start();
    let origin = start(&redis).await;
    redis.set("order:completed", "1").await;

    let answer = ask(&origin, "GET /order:completed", "", "").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json(), json!({"error": "there is nothing here"}));

    let answer = ask(&origin, "DELETE /order:status:t-1", "", "").await;
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("\r\nallow: get\r\n"), "{}", answer.head);
    assert_eq!(answer.json(), json!({"error": "a status is only read"}));
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn without_the_store_there_is_no_answer_to_give() {
    let mut redis = Redis::start();
    let origin = start(&redis).await;
    redis.stop();

    let answer = ask(&origin, "GET /order:status:t-1", "", "").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json(), json!({"error": "the status store is away"}));

    redis.start_again();
    assert_eq!(ask(&origin, "GET /order:status:t-1", "", "").await.status, 404);
}
