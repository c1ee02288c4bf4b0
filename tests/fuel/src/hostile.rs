//! A host at random: callbacks in any order that Envoy allows, host calls that fail, callouts that
//! are never answered, streams that vanish. Bytes decide, so that a fuzzer can.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use envoy_service_bus::http::encode;
use wasmi::Error;

use crate::worker::{Compiled, MILLISECOND, ROOT, Worker};

/// Configurations that are put before such a host.
const CONFIGURATIONS: [(&str, &str); 5] = [
    (r#"{"queue": "orders"}"#, "{}"),
    (r#"{"queue": "orders"}"#, r#"{"batch": {}}"#),
    (
        r#"{"queue": "orders", "payload": {"id": "${tracking_id}", "o": "${request.json.o}"}}"#,
        r#"{"retries": {"max": 1}, "max_in_flight": 3}"#,
    ),
    (
        r#"{"queue": "orders", "broker_properties": {"SessionId": "${request.headers['x-s']}"}}"#,
        r#"{"batch": {"max_messages": 2}, "max_buffered_bytes": 300}"#,
    ),
    (
        r#"{"topic": "t", "properties": {"n": "${size(request.body) + 1}"}}"#,
        r#"{"retries": {"max": 0}, "circuit_breaker": {"failures": 1, "open_for": "1s"}}"#,
    ),
];

/// Far more than a fuzzer needs to reach any state.
const MOST_STEPS: usize = 400;
/// Longer than delivery's timeout, in steps of a quarter second.
const PATIENCE: u64 = 4 * 20;

/// What a request has met.
#[derive(Debug, Default)]
struct Stream {
    /// Bytes of its body so far.
    body: Vec<u8>,
    ended: bool,
    passed: bool,
    answered: bool,
}

/// What has happened; a host in which nothing does proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Requests.
    pub requests: u64,
    /// Those that were answered with 202.
    pub accepted: u64,
    /// Those that were answered otherwise.
    pub refused: u64,
    /// Callouts that were answered with 201.
    pub stored: u64,
    /// Host calls that failed.
    pub faults: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.stored += other.stored;
        self.faults += other.faults;
    }
}

struct World<'a> {
    worker: Worker,
    script: &'a [u8],
    streams: BTreeMap<u32, Stream>,
    last: u32,
    tally: Tally,
    is_batch: bool,
    /// Whether its calls may fail.
    is_faulty: bool,
}

/// Lets the module meet what the bytes say.
///
/// # Errors
/// When the module traps, answers a stream twice or one that is gone, says 202 without a 201, or
/// forgets a request although nothing has failed that Envoy promises.
pub fn run(compiled: &Compiled, script: &[u8]) -> Result<Tally, Error> {
    let (first, script) = script.split_first().unwrap_or((&0, &[]));
    let index = usize::from(*first) % CONFIGURATIONS.len();
    let (send, delivery) = CONFIGURATIONS.get(index).copied().unwrap_or_default();
    let mode = if first & 0x80 == 0 { "pause" } else { "continue" };
    let configuration = format!(
        r#"{{"namespace": "contoso.servicebus.windows.net", "cluster": "servicebus",
        "credentials": {{"sas": {{"key_name": "send-only", "key": {{"inline": "c2VjcmV0"}}}}}},
        "header_mode": "{mode}", "max_body_bytes": 2000, "delivery": {delivery},
        "routes": [
        {{"name": "orders", "match": {{"methods": ["POST"], "path": "/orders"}}, "send": {send}}},
        {{"name": "status", "match": {{"methods": ["GET"], "path_template": "/orders/{{id}}"}},
          "lookup": {{"cluster": "store", "authority": "store", "path": "/${{path.id}}"}}}}]}}"#
    );
    let mut worker = Worker::of(compiled, &configuration, b"")?;
    worker.host_mut().known = Some([ROOT].into());
    let is_batch = delivery.contains("batch");
    let mut world = World {
        worker,
        script,
        streams: BTreeMap::new(),
        last: ROOT,
        tally: Tally::default(),
        is_batch,
        is_faulty: first & 0x40 != 0,
    };
    for _ in 0..MOST_STEPS {
        if world.script.is_empty() {
            break;
        }
        world.step()?;
    }
    world.rest()?;
    Ok(Tally { faults: world.worker.host().faults, ..world.tally })
}

impl World<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.script.split_first().unwrap_or((&0, &[]));
        self.script = rest;
        *first
    }

    fn step(&mut self) -> Result<(), Error> {
        match self.byte() % 16 {
            0..=2 => self.open(),
            3..=5 => self.body(),
            6 => self.trailers(),
            7 => self.end(),
            8..=11 => self.answer(),
            12 => self.pass(u64::from(self.script.first().copied().unwrap_or(1)) * MILLISECOND),
            13 => self.pass(1000 * MILLISECOND),
            14 => {
                let (times, status) = (self.byte() % 8, i32::from(self.byte() % 12) + 1);
                if self.is_faulty {
                    self.worker.host_mut().fault = Some((times, status));
                }
                Ok(())
            }
            _ => self.enter(ROOT, "proxy_on_tick", &[ROOT]).map(drop),
        }
    }

    /// Calls the module, and looks at the answers that it has given.
    fn enter(&mut self, context: u32, name: &str, arguments: &[u32]) -> Result<i32, Error> {
        self.worker.host_mut().effective = context;
        let returned = self.worker.enter(name, arguments)?.unwrap_or_default();
        self.look()?;
        Ok(returned)
    }

    fn look(&mut self) -> Result<(), Error> {
        for (id, status) in std::mem::take(&mut self.worker.host_mut().answers) {
            let Some(stream) = self.streams.get_mut(&id) else {
                return Err(Error::new(format!("{status} for stream {id}, which is gone")));
            };
            if std::mem::replace(&mut stream.answered, true) || stream.passed {
                return Err(Error::new(format!("{status} for stream {id}, which had its answer")));
            }
            self.tally.accepted += u64::from(status == 202);
            self.tally.refused += u64::from(status != 202);
        }
        let Tally { accepted, stored, .. } = self.tally;
        let excused = self.is_batch && stored > 0;
        if accepted > stored && !excused {
            return Err(Error::new(format!("{accepted} accepted, {stored} stored")));
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), Error> {
        let kind = self.byte();
        self.last += 1;
        self.tally.requests += 1;
        let id = self.last;
        let key = "k".repeat(usize::from(kind >> 4) * 9);
        let (method, path) = match kind & 3 {
            0 | 1 => ("POST", "/orders"),
            2 => ("GET", "/orders/%41"),
            _ => ("GET", "/other"),
        };
        let mut headers = vec![(":authority", "a"), (":method", method), (":path", path)];
        if kind & 4 != 0 {
            headers.push(("idempotency-key", &key));
        }
        if kind & 8 != 0 {
            headers.push(("x-s", &key));
            headers.push(("content-length", "2001"));
        }
        let mut encoded = encode(headers);
        if kind == 0xff {
            // No header map at all.
            encoded.truncate(7);
        }
        let host = self.worker.host_mut();
        host.request_headers = encoded;
        host.known.get_or_insert_default().insert(id);
        self.streams.insert(id, Stream::default());
        let ended = self.byte().is_multiple_of(4);
        self.enter(id, "proxy_on_context_create", &[id, ROOT])?;
        self.worker.host_mut().request_body = vec![];
        let action = self.enter(id, "proxy_on_request_headers", &[id, 3, u32::from(ended)])?;
        self.arrived(id, ended, action);
        Ok(())
    }

    /// What came of a part of a request.
    fn arrived(&mut self, id: u32, ended: bool, action: i32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.ended |= ended;
            stream.passed |= ended && action == 0;
        }
    }

    /// One of the streams for which more may come.
    fn unfinished(&mut self) -> Option<u32> {
        let pick = usize::from(self.byte());
        let open = |stream: &Stream| !stream.ended && !stream.answered;
        let ids: Vec<_> = self.streams.iter().filter(|(_, s)| open(s)).map(|(id, _)| *id).collect();
        ids.get(pick % ids.len().max(1)).copied()
    }

    fn body(&mut self) -> Result<(), Error> {
        let Some(id) = self.unfinished() else { return Ok(()) };
        let size = usize::from(self.byte()) * 10;
        let taken = self.script.len().min(size);
        let (bytes, rest) = self.script.split_at_checked(taken).unwrap_or_default();
        self.script = rest;
        let ended = self.byte().is_multiple_of(2);
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        stream.body.extend_from_slice(bytes);
        let body = stream.body.clone();
        let total = u32::try_from(body.len()).unwrap_or(u32::MAX);
        self.worker.host_mut().request_body = body;
        let action = self.enter(id, "proxy_on_request_body", &[id, total, u32::from(ended)])?;
        self.arrived(id, ended, action);
        Ok(())
    }

    fn trailers(&mut self) -> Result<(), Error> {
        let Some(id) = self.unfinished() else { return Ok(()) };
        let body = self.streams.get(&id).map(|stream| stream.body.clone());
        self.worker.host_mut().request_body = body.unwrap_or_default();
        let action = self.enter(id, "proxy_on_request_trailers", &[id, 1])?;
        self.arrived(id, true, action);
        Ok(())
    }

    /// A stream is over: it has its answer, or the client left.
    fn end(&mut self) -> Result<(), Error> {
        let pick = usize::from(self.byte());
        let Some(id) = self.streams.keys().nth(pick % self.streams.len().max(1)).copied() else {
            return Ok(());
        };
        self.enter(id, "proxy_on_log", &[id])?;
        self.enter(id, "proxy_on_done", &[id])?;
        self.enter(id, "proxy_on_delete", &[id])?;
        self.streams.remove(&id);
        // Envoy may know it for a while longer than the SDK does.
        if pick.is_multiple_of(2) {
            self.worker.host_mut().known.get_or_insert_default().remove(&id);
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<(), Error> {
        let (pick, kind) = (usize::from(self.byte()), self.byte());
        let callouts = &mut self.worker.host_mut().callouts;
        if callouts.is_empty() {
            return Ok(());
        }
        let callout = callouts.swap_remove(pick % callouts.len());
        self.respond(callout, kind)
    }

    fn respond(&mut self, callout: u32, kind: u8) -> Result<(), Error> {
        const MARK: &str = "<Error><Code>503</Code><Detail>busy. TrackingId:ab_G1</Detail></Error>";
        let status = match kind % 12 {
            0..=4 => "201",
            5 => "400",
            6 => "401",
            7 => "403",
            8 => "429",
            9 => "503",
            10 => "200",
            _ => "",
        };
        let body: &[u8] = match kind >> 6 {
            0 => b"",
            1 => MARK.as_bytes(),
            2 => br#"{"status":"done"}"#,
            _ => b"\xff\x00",
        };
        let seconds = (kind >> 5).to_string();
        let headers = match status {
            "" => vec![],
            _ if status != "201" && kind & 0x10 != 0 => encode([(":status", status)]),
            // Without the last, Envoy itself has said it.
            _ => encode([
                (":status", status),
                ("retry-after", &seconds),
                ("x-envoy-upstream-service-time", "3"),
            ]),
        };
        self.tally.stored += u64::from(status == "201");
        let number = if headers.is_empty() { 0 } else { 3 };
        let size = u32::try_from(body.len()).unwrap_or_default();
        let host = self.worker.host_mut();
        host.answer_headers = headers;
        host.answer_body = body.to_vec();
        self.enter(ROOT, "proxy_on_http_call_response", &[ROOT, callout, number, size, 0])?;
        Ok(())
    }

    fn pass(&mut self, nanoseconds: u64) -> Result<(), Error> {
        self.worker.pass(nanoseconds)?;
        self.look()
    }

    /// All callouts are answered and time passes: then nobody waits any more.
    fn rest(&mut self) -> Result<(), Error> {
        self.worker.host_mut().fault = None;
        for _ in 0..PATIENCE {
            for callout in std::mem::take(&mut self.worker.host_mut().callouts) {
                self.respond(callout, 0)?;
            }
            self.pass(250 * MILLISECOND)?;
        }
        if self.worker.host().faults > 0 {
            // An answer that Envoy did not take cannot be given again.
            return Ok(());
        }
        let waits = |stream: &&Stream| stream.ended && !stream.passed && !stream.answered;
        match self.streams.values().filter(waits).count() {
            0 => Ok(()),
            number => Err(Error::new(format!("{number} requests wait for ever"))),
        }
    }
}
