//! What is counted: routes as people write them.

use serde::{Deserialize, Serialize};
use wasmi::Error;

use crate::worker::{Broker, MILLISECOND, Worker};

/// What one request costs, on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Instructions.
    pub fuel: u64,
    /// Calls of the module to Envoy, a hundred requests.
    pub host_calls_of_100: u64,
    /// Calls of Envoy to the module, those for memory included, a hundred requests.
    pub entries_of_100: u64,
}

/// A configuration under one kind of load.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    send: &'static str,
    batch: bool,
    body: usize,
    /// Requests that arrive before their callouts are answered.
    together: usize,
}

const TEMPLATE: &str = r#"{"queue": "orders", "payload": {"trackingId": "${tracking_id}",
    "orderId": "${request.json.orderId}", "items": "${request.json.items}", "submittedAt": "${now}"}}"#;
const CEL: &str = r#"{"queue": "orders", "properties": {
    "big": "${size(request.json.items) > 3}", "who": "${request.headers['user-agent'] + '!'}"}}"#;
const PROPERTIES: &str = r#"{"queue": "orders",
    "broker_properties": {"Label": "order", "TimeToLive": "1h", "SessionId": "${request.json.orderId}"},
    "properties": {"source": "gateway", "priority": 5, "express": false}}"#;
const RAW: &str = r#"{"queue": "orders"}"#;

/// All that are counted.
pub const SCENARIOS: [Scenario; 7] = [
    Scenario { name: "raw, 50 B", send: RAW, batch: false, body: 50, together: 1 },
    Scenario { name: "raw, 4 KiB", send: RAW, batch: false, body: 4096, together: 1 },
    Scenario { name: "template, 50 B", send: TEMPLATE, batch: false, body: 50, together: 1 },
    Scenario { name: "properties, 50 B", send: PROPERTIES, batch: false, body: 50, together: 1 },
    Scenario { name: "cel, 50 B", send: CEL, batch: false, body: 50, together: 1 },
    Scenario { name: "batch of 50, 50 B", send: RAW, batch: true, body: 50, together: 50 },
    Scenario { name: "batch of 50, 4 KiB", send: RAW, batch: true, body: 4096, together: 50 },
];

/// Metrics are defined, tokens signed, tables grown by then.
const WARM_UP: usize = 500;
const COUNTED: usize = 2000;
/// Longer than delivery's timeout, in milliseconds.
const PATIENCE: u64 = 11_000;

impl Scenario {
    /// Whether it is one to be played for long: each request has a callout of its own, or shares.
    pub fn endures(&self) -> bool {
        self.body == 50 && std::ptr::eq(self.send, RAW)
    }

    /// A worker that serves it.
    ///
    /// # Errors
    /// When the module does not take the configuration.
    pub fn start(&self, wasm: &[u8]) -> Result<Worker, Error> {
        let batch = if self.batch { r#", "delivery": {"batch": {}}"# } else { "" };
        let send = self.send;
        let configuration = format!(
            r#"{{"namespace": "contoso.servicebus.windows.net", "cluster": "servicebus",
            "credentials": {{"sas": {{"key_name": "send-only", "key": {{"inline": "c2VjcmV0"}}}}}}{batch},
            "routes": [{{"name": "orders", "match": {{"methods": ["POST"], "path": "/orders"}},
            "send": {send}}}]}}"#
        );
        Worker::start(wasm, &configuration, &order(self.body))
    }

    /// Plays some requests, all accepted.
    ///
    /// # Errors
    /// When one is not.
    pub fn play(&self, worker: &mut Worker, requests: usize) -> Result<(), Error> {
        let mut failed = 0;
        for _ in 0..requests / self.together {
            for _ in 0..self.together {
                worker.request()?;
            }
            failed += worker.answer(Broker::Created)?.1;
        }
        // Those that came while a batch was in flight are in the next one.
        while !worker.host().callouts.is_empty() {
            failed += worker.answer(Broker::Created)?.1;
        }
        if failed > 0 {
            return Err(Error::new(format!("{failed} not accepted: {:?}", worker.host().log)));
        }
        Ok(())
    }

    /// What a request costs once the worker is warm.
    ///
    /// # Errors
    /// When a request is not accepted.
    pub fn cost(&self, wasm: &[u8]) -> Result<Cost, Error> {
        let mut worker = self.start(wasm)?;
        self.play(&mut worker, WARM_UP)?;
        self.measure(&mut worker)
    }

    /// What the next requests cost, on average.
    ///
    /// # Errors
    /// When one is not accepted.
    pub fn measure(&self, worker: &mut Worker) -> Result<Cost, Error> {
        let (fuel, calls, entries) = (worker.fuel()?, worker.host().calls, worker.host().entries);
        self.play(worker, COUNTED)?;
        let number = COUNTED as u64;
        Ok(Cost {
            fuel: (worker.fuel()? - fuel) / number,
            host_calls_of_100: (worker.host().calls - calls) * 100 / number,
            entries_of_100: (worker.host().entries - entries) * 100 / number,
        })
    }
}

/// Everything that requests meet: acceptance, refusal, broken connections, clients that leave.
///
/// # Errors
/// When a request that waits for its answer gets none, the module traps, or it wants to be called
/// when nothing waits.
pub fn rough(worker: &mut Worker, requests: usize) -> Result<(), Error> {
    let (mut waiting, mut answered) = (0, 0);
    for number in 0..requests {
        let stream = worker.request()?;
        if number % 10 == 3 {
            worker.end(stream)?;
        } else {
            waiting += 1;
        }
        let (accepted, failed) = worker.answer(match number % 10 {
            5 => Broker::Refused,
            7 => Broker::Gone,
            _ => Broker::Created,
        })?;
        answered += accepted + failed;
    }
    // Some wait to be sent again.
    for _ in 0..PATIENCE {
        worker.pass(MILLISECOND)?;
        let (accepted, failed) = worker.answer(Broker::Created)?;
        answered += accepted + failed;
    }
    if waiting != answered {
        let fault = format!("{answered} answers to {waiting} requests that waited for one");
        return Err(Error::new(fault));
    }
    match worker.host().tick_period {
        0 => Ok(()),
        period => Err(Error::new(format!("quiet, and still called each {period} ms"))),
    }
}

/// An order of so many bytes.
fn order(size: usize) -> Vec<u8> {
    let head = r#"{"orderId":"4711","items":["lamp"],"note":""#;
    let note = "x".repeat(size.saturating_sub(head.len() + 2));
    format!("{head}{note}\"}}").into_bytes()
}
