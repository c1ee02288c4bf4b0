//! `import-apim`: a policy of API Management as a configuration of ours.

use std::path::PathBuf;

use clap::Args;
use import_apim::{Imported, LeftOut, Operation, Position, Surroundings};
use serde_json::json;

use crate::input;
use crate::output::{Completion, Failure, print};

/// Turns a policy of API Management into a configuration of the filter.
///
/// Reads `send-service-bus-message`, requests to Service Bus (`send-request`, or the client's own that
/// goes on to it), and `send-request` to a store; expressions become CEL, conditions on headers become
/// routes. What it does not turn is listed with its line on the standard error, and the exit code is
/// then 1; what is printed passes `check` all the same.
///
/// A policy does not tell which requests it is for, so name them with --operation. The clusters are
/// called `servicebus`, and `imds` where a managed identity is used.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
        envoy-service-bus import-apim --operation 'POST /orders' policy.xml > plugin.json")]
pub(crate) struct Options {
    /// Policy, as its editor shows it; `-` is the standard input.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// Method and path of the operation, such as 'POST /orders/{id}'.
    #[arg(long, value_parser = Operation::parse)]
    operation: Operation,
    /// Host of the namespace, instead of the policy's.
    #[arg(long)]
    namespace: Option<String>,
    /// What a queue or topic may be that an expression chooses; may be repeated.
    #[arg(long, value_name = "ENTITY")]
    allowed: Vec<String>,
    /// A named value of API Management; may be repeated. Not for secrets: it is printed.
    #[arg(long, value_name = "NAME=TEXT", value_parser = named_value)]
    named_value: Vec<(String, String)>,
}

fn named_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=TEXT")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Prints the configuration, and what was left out.
pub(crate) fn execute(options: &Options, as_json: bool) -> Result<Completion, Failure> {
    let (file, text) = input::read(&options.policy)?;
    let around = Surroundings {
        operation: &options.operation,
        namespace: options.namespace.as_deref(),
        allowed: &options.allowed,
        named_values: &options.named_value,
    };
    let imported = import_apim::import(text.as_str(), around).map_err(|error| {
        let Position { line, column } = error.at;
        Failure(format!("{file}:{line}:{column}: {error}"))
    })?;
    report(&file, &imported, as_json)?;
    Ok(if imported.left_out.is_empty() { Completion::Clean } else { Completion::Findings })
}

fn report(file: &str, imported: &Imported, as_json: bool) -> Result<(), Failure> {
    let Imported { configuration, left_out } = imported;
    if as_json {
        let left_out = left_out.iter().map(|LeftOut { at, what, why }| {
            json!({"file": file, "line": at.line, "column": at.column, "what": what, "why": why})
        });
        let left_out: Vec<_> = left_out.collect();
        let whole = json!({"configuration": configuration, "left_out": left_out});
        return print(&format!("{whole}\n"));
    }
    for LeftOut { at: Position { line, column }, what, why } in left_out {
        anstream::eprintln!("{file}:{line}:{column}: \u{1b}[1;33mleft out\u{1b}[0m: {what}: {why}");
    }
    match configuration {
        None => Ok(()),
        Some(config) => print(&format!("{config:#}\n")),
    }
}
