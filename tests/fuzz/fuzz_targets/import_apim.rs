//! See `service_bus_fuzz::import_apim`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| service_bus_fuzz::import_apim::run(bytes));
