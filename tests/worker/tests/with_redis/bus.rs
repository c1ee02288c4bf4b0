//! The emulator of Service Bus inside the test, and its queue as the worker sees it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use order_worker::queue::{Delivery, Queue};
use order_worker::worker::Worker;
use serde_json::{Value, json};
use service_bus_emulator::auth::{KeyRule, Trusted};
use service_bus_emulator::config;
use service_bus_emulator::http::Listener;
use service_bus_emulator::service::Service;
use service_bus_emulator::wire::Tier;
use tokio::task::JoinHandle;

use crate::client::{Answer, ask};
use crate::server::Redis;

pub(crate) const CONNECTION_STRING: &str = "Endpoint=sb://ns.servicebus.windows.net/;\
     SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE";

/// Longer than any wait takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Bus {
    pub(crate) url: String,
    server: JoinHandle<()>,
}

impl Bus {
    /// A queue `orders` that detects no duplicates: the worker is to cope with them.
    pub(crate) async fn start() -> Self {
        let properties = json!({"LockDuration": "PT5S", "MaxDeliveryCount": 3});
        let queues = json!([{"Name": "orders", "Properties": properties}]);
        let namespace = json!({"Name": "ns", "Queues": queues, "Topics": []});
        let file =
            json!({"UserConfig": {"Namespaces": [namespace], "Logging": {"Type": "Console"}}});
        let config = config::parse(file.to_string().as_bytes(), Tier::Standard).unwrap();
        let keys = vec![KeyRule::emulator_default()];
        let trusted = Trusted { keys, identities: vec![] };
        let service = Service::new(config.namespaces, trusted, Tier::Standard);
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(address, None, false, Arc::new(service)).await.unwrap();
        let url = listener.url();
        Self { url, server: tokio::spawn(listener.serve(std::future::pending())) }
    }

    pub(crate) fn queue(&self, name: &str) -> Queue {
        Queue::new(&self.url, CONNECTION_STRING, name).unwrap()
    }

    pub(crate) fn worker(&self, redis: &Redis) -> Worker {
        let (queue, store) = (self.queue("orders"), redis.store());
        Worker { queue, store, work_time: Duration::ZERO }
    }

    /// Puts a message on the queue, signed by the worker's own connection string.
    pub(crate) async fn send(&self, message_id: &str, body: &str) {
        let token = service_bus_token();
        let properties = json!({"MessageId": message_id});
        let headers = format!(
            "authorization: {token}\r\nbrokerproperties: {properties}\r\n\
             content-type: application/json\r\n"
        );
        let answer = ask(&self.url, "POST /orders/messages", &headers, body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// Receives the next message of the queue.
    pub(crate) async fn receive(&self) -> Delivery {
        self.queue("orders").receive(Duration::from_secs(20)).await.unwrap().unwrap()
    }

    /// How many messages are in the queue: ready, locked, dead-lettered.
    pub(crate) async fn counts(&self) -> [u64; 3] {
        let entities = self.admin("GET", "entities", "").await.json();
        let count = |name: &str| entities["orders"][name].as_u64().unwrap();
        [count("active"), count("locked"), count("dead_lettered")]
    }

    /// Arms a fault.
    pub(crate) async fn arm(&self, order: &Value) {
        let answer = self.admin("POST", "faults", &order.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// How often the queue was asked for an operation that ended so.
    pub(crate) async fn verdicts(&self, verdict: &str) -> usize {
        let requests = self.admin("GET", "requests", "").await.json();
        requests.as_array().unwrap().iter().filter(|it| it["verdict"] == verdict).count()
    }

    async fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        ask(&self.url, &format!("{method} /$emulator/{path}"), "", body).await
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) fn order(tracking_id: &str) -> String {
    json!({"trackingId": tracking_id, "orderId": "o-1", "items": [{"sku": "lamp"}]}).to_string()
}

/// The status of an order, or null.
pub(crate) async fn status(redis: &Redis, tracking_id: &str) -> Value {
    let key = format!("order:status:{tracking_id}");
    match redis.store().status(&key).await.unwrap() {
        Some(json) => serde_json::from_slice(&json).unwrap(),
        None => Value::Null,
    }
}

/// Waits for what comes by itself.
pub(crate) async fn wait_until(what: &str, done: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !done().await {
        assert!(start.elapsed() < PATIENCE, "no {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn service_bus_token() -> String {
    use envoy_service_bus::credentials::{ConnectionString, Endpoint};

    let parsed = ConnectionString::parse(CONNECTION_STRING).unwrap();
    let Endpoint::Key(key) = parsed.endpoint else { panic!("no key") };
    key.sign("https://ns.servicebus.windows.net/", 4_102_444_800)
}
