//! Envoy's side: callbacks, and every host call in `host`.

mod access_log;
mod clock;
mod events;
mod host;
mod metrics;
mod process;
mod root;
mod stream;
mod ticking;
mod worker;

use proxy_wasm::traits::RootContext;
use proxy_wasm::types::LogLevel;

use root::Root;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|id| -> Box<dyn RootContext> { Box::new(Root::new(id)) });
}}
