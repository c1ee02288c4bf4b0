//! See `service_bus_fuzz::credentials`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| service_bus_fuzz::credentials::run(bytes));
