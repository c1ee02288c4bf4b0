//! The command `envoy-service-bus`: what an operator asks about a configuration before Envoy has it.
#![cfg_attr(target_family = "wasm", no_main)]
#![cfg(not(target_family = "wasm"))]

mod check;
mod finding;
mod import_apim;
mod input;
mod manifests;
mod output;
mod render;
mod sas;
mod schema;

mod text;
mod time;
mod yaml;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::Completion;

/// Checks and explains configurations of the Envoy filter for Azure Service Bus.
///
/// Ends with 0 when all is well, 1 when there are findings, and 2 when it could not be used:
/// wrong options, a file that cannot be read.
#[derive(Debug, Parser)]
#[command(name = "envoy-service-bus", version, max_term_width = 100)]
struct Options {
    #[command(subcommand)]
    command: Command,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Options),
    ImportApim(import_apim::Options),
    Render(render::Options),
    Sas(sas::Options),
    Schema(schema::Options),
}

fn main() -> ExitCode {
    let Options { command, json } = Options::parse();
    let completed = match &command {
        Command::Check(options) => check::execute(options, json),
        Command::ImportApim(options) => import_apim::execute(options, json),
        Command::Render(options) => render::execute(options, json),
        Command::Sas(options) => sas::execute(options, json),
        Command::Schema(options) => schema::execute(options),
    };
    match completed {
        Ok(Completion::Clean) => ExitCode::SUCCESS,
        Ok(Completion::Findings) => ExitCode::from(1),
        Err(error) => {
            anstream::eprintln!("envoy-service-bus: {error}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_options_agree_with_each_other() {
        super::Options::command().debug_assert();
    }
}
