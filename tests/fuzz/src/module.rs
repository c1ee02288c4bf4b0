//! The module itself, in an interpreter, before a host at random.

use std::sync::LazyLock;

use service_bus_fuel::hostile;
use service_bus_fuel::worker::Compiled;

static MODULE: LazyLock<Compiled> = LazyLock::new(|| {
    let path = std::env::var("MODULE").expect("MODULE names the module");
    let wasm = std::fs::read(path).expect("the module is there");
    Compiled::new(&wasm).expect("the module loads")
});

/// No trap, no second answer, no 202 without a 201, and nobody waits for ever.
pub fn run(bytes: &[u8]) {
    if let Err(error) = hostile::run(&MODULE, bytes) {
        panic!("{error}");
    }
}
