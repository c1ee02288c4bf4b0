//! `import-apim`: a policy of API Management as a configuration of ours.

mod expr;
mod lexer;
mod made;
mod members;
mod message;
mod named;
mod operation;
mod policy;
mod prune;
mod reply;
mod syntax;
mod translate;
mod units;
mod within;
mod xml;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use crate::input;
use crate::output::{Failure, Verdict, print};
use crate::text::Position;
use operation::Operation;
use policy::{Importer, LeftOut};

/// Turns a policy of API Management into a configuration of the filter.
///
/// Reads `send-service-bus-message`, and `send-request` to Service Bus or to a store, with
/// `return-response` after it; expressions become CEL. What it cannot turn is listed with its line
/// on the standard error, and the exit code is then 1; what is printed passes `check` all the same.
///
/// A policy does not tell which requests it is for, so name them with --operation. The clusters are
/// called `servicebus`, and `imds` where a managed identity is used. Without `return-response` the
/// filter answers 202; nothing goes on to a backend.
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
pub(crate) fn execute(options: &Options, as_json: bool) -> Result<Verdict, Failure> {
    let (file, text) = input::read(&options.policy)?;
    let mut importer = Importer::new(&options.operation, options.allowed.clone());
    let (units, missing) = named::fill(units::decode(&text), &options.named_value);
    let elements = xml::read(&units).map_err(|error| {
        let Position { line, column } = error.at;
        Failure(format!("{file}:{line}:{column}: {}", error.message))
    })?;
    importer.read(&elements);
    let namespace = options.namespace.as_deref();
    let config = importer.configuration(&options.operation, namespace);
    let mut left_out = importer.left_out;
    let config = config.map(|config| named::report(config, &missing, &mut left_out));
    let at = elements.first().map_or(Position::START, |element| element.at);
    let mut leave_out = |what: &str, why: &str| {
        left_out.push(LeftOut { at, what: what.to_owned(), why: why.to_owned() });
    };
    let config = match config {
        Some(config) => prune::prune(config, &mut leave_out),
        None => {
            leave_out("policy", "sends nothing to Service Bus, and asks no other service");
            None
        }
    };
    left_out.sort_by_key(|one| one.at);
    left_out.dedup();
    report(&file, config.as_ref(), &left_out, as_json)?;
    Ok(if left_out.is_empty() { Verdict::Fine } else { Verdict::Findings })
}

fn report(
    file: &str,
    config: Option<&Json>,
    left_out: &[LeftOut],
    as_json: bool,
) -> Result<(), Failure> {
    if as_json {
        let left_out = left_out.iter().map(|LeftOut { at, what, why }| {
            json!({"file": file, "line": at.line, "column": at.column, "what": what, "why": why})
        });
        let left_out: Vec<_> = left_out.collect();
        return print(&format!("{}\n", json!({"configuration": config, "left_out": left_out})));
    }
    for LeftOut { at: Position { line, column }, what, why } in left_out {
        anstream::eprintln!("{file}:{line}:{column}: \u{1b}[1;33mleft out\u{1b}[0m: {what}: {why}");
    }
    match config {
        None => Ok(()),
        Some(config) => print(&format!("{config:#}\n")),
    }
}
