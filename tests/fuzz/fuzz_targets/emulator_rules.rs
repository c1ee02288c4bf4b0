//! See `service_bus_fuzz::emulator_rules`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| service_bus_fuzz::emulator_rules::run(bytes));
