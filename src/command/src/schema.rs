//! `schema`: the JSON Schema of the plugin configuration.

use clap::Args;

use crate::output::{Completion, Failure, print};

/// Prints the JSON Schema (draft 2020-12) of the plugin configuration.
///
/// Editors complete and check a configuration with it. Rules that go beyond one value, such as
/// expressions, are told by `check` alone.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  envoy-service-bus schema > service-bus.schema.json")]
pub(crate) struct Options {}

/// The schema as it is shipped. It is written by hand: what a key may hold is decided by the code
/// that reads it, not by a table, and a corpus of configurations holds both together.
const SCHEMA: &str = include_str!("../../../envoy/configuration.schema.json");

/// Prints the schema.
pub(crate) fn execute(_: &Options) -> Result<Completion, Failure> {
    print(SCHEMA)?;
    Ok(Completion::Clean)
}
