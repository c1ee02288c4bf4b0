//! One worker with the module in it, and requests in the order of Envoy's callbacks.

use envoy_service_bus::http::encode;
use wasmi::{Config, Engine, Error, Func, Instance, Linker, Memory, Module, Store, TrapCode, Val};

use crate::host::{Host, define};

/// A worker of Envoy.
pub struct Worker {
    store: Store<Host>,
    instance: Instance,
    memory: Memory,
    last_context: u32,
    next_tick: Option<u64>,
}

/// The module, ready to be instantiated.
pub struct Compiled {
    engine: Engine,
    module: Module,
    linker: Linker<Host>,
}

impl Compiled {
    /// # Errors
    /// When the module does not load.
    pub fn new(wasm: &[u8]) -> Result<Self, Error> {
        let mut config = Config::default();
        config.consume_fuel(true);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, wasm)?;
        let mut linker = Linker::new(&engine);
        define(&mut linker, &module)?;
        Ok(Self { engine, module, linker })
    }
}

/// How Service Bus answers.
#[derive(Clone, Copy, Debug)]
pub enum Broker {
    /// It has stored the message.
    Created,
    /// It refuses it.
    Refused,
    /// The connection broke.
    Gone,
}

pub(crate) const ROOT: u32 = 1;
const FULL: u64 = u64::MAX / 2;
/// Time between two requests.
const PACE: u64 = 100_000;
pub(crate) const MILLISECOND: u64 = 1_000_000;
/// The first second of 2026.
const START: u64 = 1_767_225_600_000_000_000;

/// A stream that the module knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream(u32);

impl Worker {
    /// Starts the module with a configuration. Each request carries `body`.
    ///
    /// # Errors
    /// When the module does not load, or does not take the configuration.
    pub fn start(wasm: &[u8], configuration: &str, body: &[u8]) -> Result<Self, Error> {
        Self::of(&Compiled::new(wasm)?, configuration, body)
    }

    /// The same with a module that is compiled already.
    ///
    /// # Errors
    /// When the module does not take the configuration.
    pub fn of(compiled: &Compiled, configuration: &str, body: &[u8]) -> Result<Self, Error> {
        let Compiled { engine, module, linker } = compiled;
        let host = Host::new(configuration, request_headers(body.len()), body, START);
        let mut store = Store::new(engine, host);
        store.set_fuel(FULL)?;
        let instance = linker.instantiate_and_start(&mut store, module)?;
        let memory = instance.get_memory(&store, "memory");
        let memory = memory.ok_or_else(|| Error::new("the module exports no memory"))?;
        let mut worker = Self { store, instance, memory, last_context: ROOT, next_tick: None };
        worker.enter("_initialize", &[])?;
        worker.enter("proxy_on_context_create", &[ROOT, 0])?;
        let size = u32::try_from(configuration.len()).unwrap_or(u32::MAX);
        for (callback, size) in [("proxy_on_vm_start", 0), ("proxy_on_configure", size)] {
            if worker.enter(callback, &[ROOT, size])? != Some(1) {
                return Err(Error::new(format!("{callback}: {:?}", worker.store.data().log)));
            }
        }
        worker.pass(MILLISECOND)?;
        Ok(worker)
    }

    /// A whole request arrives.
    ///
    /// # Errors
    /// When the module traps.
    pub fn request(&mut self) -> Result<Stream, Error> {
        self.pass(PACE)?;
        self.last_context += 1;
        let id = self.last_context;
        let size = u32::try_from(self.store.data().request_body.len()).unwrap_or(u32::MAX);
        self.store.data_mut().effective = id;
        self.enter("proxy_on_context_create", &[id, ROOT])?;
        self.enter("proxy_on_request_headers", &[id, 12, 0])?;
        self.enter("proxy_on_request_body", &[id, size, 1])?;
        Ok(Stream(id))
    }

    /// The stream ends.
    ///
    /// # Errors
    /// When the module traps.
    pub fn end(&mut self, stream: Stream) -> Result<(), Error> {
        self.store.data_mut().effective = stream.0;
        self.enter("proxy_on_log", &[stream.0])?;
        self.enter("proxy_on_done", &[stream.0])?;
        self.enter("proxy_on_delete", &[stream.0])?;
        Ok(())
    }

    /// Answers all callouts, then ends the streams that were answered, and returns their number
    /// by status: 202, and all else.
    ///
    /// # Errors
    /// When the module traps.
    pub fn answer(&mut self, broker: Broker) -> Result<(u64, u64), Error> {
        let callouts = std::mem::take(&mut self.store.data_mut().callouts);
        for callout in callouts {
            let headers = match broker {
                Broker::Created => answer_headers("201"),
                Broker::Refused => answer_headers("400"),
                Broker::Gone => vec![],
            };
            let number = if headers.is_empty() { 0 } else { 6 };
            self.store.data_mut().answer_headers = headers;
            self.store.data_mut().effective = ROOT;
            self.enter("proxy_on_http_call_response", &[ROOT, callout, number, 0, 0])?;
        }
        let (mut accepted, mut failed) = (0, 0);
        // Envoy sends an answer when the callback is over, through the filters.
        for (id, status) in std::mem::take(&mut self.store.data_mut().answers) {
            if status == 202 {
                accepted += 1;
            } else {
                failed += 1;
            }
            self.store.data_mut().effective = id;
            self.enter("proxy_on_response_headers", &[id, 5, 0])?;
            self.enter("proxy_on_response_body", &[id, 80, 1])?;
            self.end(Stream(id))?;
        }
        Ok((accepted, failed))
    }

    /// Time passes, with the ticks that fall into it.
    ///
    /// # Errors
    /// When the module traps.
    pub fn pass(&mut self, nanoseconds: u64) -> Result<(), Error> {
        let end = self.store.data().time + nanoseconds;
        self.schedule();
        while let Some(tick) = self.next_tick.filter(|tick| *tick <= end) {
            self.store.data_mut().time = tick;
            self.next_tick = None;
            self.store.data_mut().effective = ROOT;
            self.enter("proxy_on_tick", &[ROOT])?;
            self.schedule();
        }
        self.store.data_mut().time = end;
        Ok(())
    }

    fn schedule(&mut self) {
        let host = self.store.data();
        let period = u64::from(host.tick_period) * MILLISECOND;
        let due = host.time + period;
        self.next_tick = (period > 0).then(|| self.next_tick.map_or(due, |next| next.min(due)));
    }

    /// Calls what the module exports; Envoy leaves out what it does not.
    pub(crate) fn enter(&mut self, name: &str, arguments: &[u32]) -> Result<Option<i32>, Error> {
        let Some(function) = self.instance.get_func(&self.store, name) else { return Ok(None) };
        self.store.data_mut().entries += 1;
        self.call(function, arguments).map_err(|error| {
            let log = &self.store.data().log;
            Error::new(format!("{name}: {error}; log: {log:?}"))
        })
    }

    fn call(&mut self, function: Func, arguments: &[u32]) -> Result<Option<i32>, Error> {
        let arguments: Vec<_> = arguments.iter().map(|a| Val::I32(a.cast_signed())).collect();
        let mut results: Vec<_> =
            function.ty(&self.store).results().iter().map(|_| Val::I32(0)).collect();
        function.call(&mut self.store, &arguments, &mut results)?;
        Ok(match results.first() {
            Some(Val::I32(value)) => Some(*value),
            _ => None,
        })
    }

    /// Instructions that the module has run.
    ///
    /// # Errors
    /// None, as instructions are counted.
    pub fn fuel(&self) -> Result<u64, Error> {
        FULL.checked_sub(self.store.get_fuel()?).ok_or_else(|| Error::from(TrapCode::OutOfFuel))
    }

    /// Bytes of the module's memory.
    pub fn memory(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    /// What the host has seen.
    pub fn host(&self) -> &Host {
        self.store.data()
    }

    /// The host, to change what the module meets.
    pub(crate) fn host_mut(&mut self) -> &mut Host {
        self.store.data_mut()
    }
}

fn request_headers(body: usize) -> Vec<u8> {
    encode([
        (":authority", "gateway.example.com"),
        (":path", "/orders"),
        (":method", "POST"),
        (":scheme", "http"),
        ("user-agent", "curl/8.5.0"),
        ("accept", "*/*"),
        ("content-type", "application/json"),
        ("content-length", &body.to_string()),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "7c2f4f6e-2f5b-4f0e-9d57-3f1d0c0a6b11"),
        ("x-envoy-internal", "true"),
    ])
}

fn answer_headers(status: &str) -> Vec<u8> {
    encode([
        (":status", status),
        ("server", "Microsoft-HTTPAPI/2.0"),
        ("strict-transport-security", "max-age=31536000"),
        ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("content-length", "0"),
        ("x-envoy-upstream-service-time", "12"),
    ])
}
