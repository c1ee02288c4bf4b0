//! The command `service-bus-load`.

use std::process::ExitCode;

use clap::Parser as _;
use service_bus_load::command::{self, Options};

// One thread: with two cores the server under load deserves the other.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match command::execute(&Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("service-bus-load: {error}");
            ExitCode::from(2)
        }
    }
}
