//! The command `order-worker`.

use std::process::ExitCode;

use clap::Parser as _;
use order_worker::command::{self, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match command::run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("order-worker: {error}");
            ExitCode::FAILURE
        }
    }
}
