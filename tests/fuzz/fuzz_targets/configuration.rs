//! See `service_bus_fuzz::configuration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| service_bus_fuzz::configuration::run(bytes));
