//! See `service_bus_fuzz::response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| service_bus_fuzz::response::run(bytes));
