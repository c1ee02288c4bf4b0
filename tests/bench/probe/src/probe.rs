//! Callbacks: a body in, a callout out, an answer.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, MapType, MetricType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> {
        Box::new(Root { id, shared: Rc::default(), call: None })
    });
}}

/// How often a host call is made to learn its price.
const TIMES: usize = 50;
const ID: &str = "b6f0d5f2-6a3c-4f0e-8d0a-1f2e3d4c5b6a";
const TOKEN: &str = "SharedAccessSignature sr=https%3A%2F%2Fsbemulatorns.servicebus.windows.net%2Fraw\
                     &sig=c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU9&se=1795219200&skn=send-only";

#[derive(Default)]
struct Shared {
    /// The request whose callback is running.
    arrived: Option<(u32, Vec<u8>)>,
    /// Streams by callout.
    waiting: BTreeMap<u32, u32>,
}

struct Root {
    id: u32,
    shared: Rc<RefCell<Shared>>,
    call: Option<Call>,
}

#[derive(Clone, Copy)]
enum Call {
    Body,
    Counter(u32),
    EffectiveContext(u32),
    Headers,
    Histogram(u32),
    Random,
    SharedData,
    Time,
}

impl Call {
    fn named(name: &str, root: u32) -> Option<Self> {
        let metric = |kind| hostcalls::define_metric(kind, "probe.price").ok();
        Some(match name {
            "body" => Self::Body,
            "counter" => Self::Counter(metric(MetricType::Counter)?),
            "effective context" => Self::EffectiveContext(root),
            "headers" => Self::Headers,
            "histogram" => Self::Histogram(metric(MetricType::Histogram)?),
            "random" => Self::Random,
            "shared data" => Self::SharedData,
            "time" => Self::Time,
            _ => return None,
        })
    }

    /// What it brings is of no interest.
    fn make(self) {
        match self {
            Self::Body => {
                let _ = hostcalls::get_buffer(BufferType::HttpRequestBody, 0, usize::MAX);
            }
            Self::Counter(id) => {
                let _ = hostcalls::increment_metric(id, 1);
            }
            Self::EffectiveContext(id) => {
                let _ = hostcalls::set_effective_context(id);
            }
            Self::Headers => {
                let _ = hostcalls::get_map_bytes(MapType::HttpRequestHeaders);
            }
            Self::Histogram(id) => {
                let _ = hostcalls::record_metric(id, 1);
            }
            Self::Random => {
                let _ = getrandom::fill(&mut [0; 16]);
            }
            Self::SharedData => {
                let _ = hostcalls::get_shared_data("service_bus.breaker.probe");
            }
            Self::Time => {
                let _ = hostcalls::get_current_time();
            }
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, callout: u32, _: usize, _: usize, _: usize) {
        let Some(stream) = self.shared.borrow_mut().waiting.remove(&callout) else { return };
        let headers = hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders);
        let created = |(name, value): &(String, Vec<u8>)| name == ":status" && value == b"201";
        let status = if headers.is_ok_and(|all| all.iter().any(created)) { 202 } else { 503 };
        let headers = vec![("content-type", "application/json"), ("x-tracking-id", ID)];
        let body = format!(r#"{{"status":"accepted","trackingId":"{ID}"}}"#);
        // An Envoy that refuses has nobody waiting.
        if hostcalls::set_effective_context(stream).is_ok() {
            let _ = hostcalls::send_http_response(status, headers, Some(body.as_bytes()));
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let text = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX);
        let text = text.ok().flatten().unwrap_or_default();
        self.call = Call::named(&String::from_utf8_lossy(&text), self.id);
        self.call.is_some() || text.is_empty()
    }

    /// Sends what has arrived: a callout of the root outlives its stream.
    fn on_tick(&mut self) {
        let Some((stream, body)) = self.shared.borrow_mut().arrived.take() else { return };
        let headers = vec![
            (":method", "POST"),
            (":path", "/raw/messages"),
            (":authority", "sbemulatorns.servicebus.windows.net"),
            (":scheme", "https"),
            ("authorization", TOKEN),
            ("content-type", "application/json"),
            ("brokerproperties", r#"{"MessageId":"b6f0d5f2-6a3c-4f0e-8d0a-1f2e3d4c5b6a"}"#),
        ];
        let timeout = Duration::from_secs(5);
        let callout =
            hostcalls::dispatch_http_call("servicebus", headers, Some(&body), vec![], timeout);
        if let Ok(callout) = callout {
            self.shared.borrow_mut().waiting.insert(callout, stream);
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let shared = Rc::clone(&self.shared);
        Some(Box::new(Stream { id, root: self.id, shared, call: self.call }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    id: u32,
    root: u32,
    shared: Rc<RefCell<Shared>>,
    call: Option<Call>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        Action::Pause
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if end_of_stream {
            if let Some(call) = self.call {
                (0..TIMES).for_each(|_| call.make());
            }
            let _ = hostcalls::set_effective_context(self.id);
            let body = hostcalls::get_buffer(BufferType::HttpRequestBody, 0, size);
            let body = body.ok().flatten().unwrap_or_default();
            self.shared.borrow_mut().arrived = Some((self.id, body));
            run_root(self.root);
        }
        Action::Pause
    }
}

/// As the filter's `run_root`.
#[expect(unsafe_code, reason = "an exported function of this module")]
fn run_root(root: u32) {
    unsafe extern "C" {
        fn proxy_on_tick(context_id: u32);
    }
    // SAFETY: called on the module's only thread.
    unsafe { proxy_on_tick(root) }
}
