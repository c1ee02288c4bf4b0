//! A policy of API Management as a configuration of the filter, and what of it was left out.

mod body;
mod configuration;
mod expr;
mod flow;
mod lexer;
mod members;
mod message;
mod named;
mod operation;
mod plan;
mod position;
mod prune;
mod reference;
mod reply;
mod report;
mod request;
mod routes;
mod syntax;
mod term;
mod translate;
mod units;
mod value;
mod within;
mod xml;

use std::fmt;

use serde_json::Value as Json;

use configuration::Given;
use flow::Interpreter;
pub use operation::Operation;
pub use position::Position;
pub use reference::{ELEMENTS, Entry, Fate};
pub use report::LeftOut;
use report::Report;

/// What a policy does not say itself.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The operation that it belongs to.
    pub operation: &'a Operation,
    /// Host of the namespace, instead of the policy's.
    pub namespace: Option<&'a str>,
    /// What a queue or topic may be that an expression chooses.
    pub allowed: &'a [String],
    /// Named values of API Management.
    pub named_values: &'a [(String, String)],
}

/// What became of a policy.
#[derive(Debug)]
pub struct Imported {
    /// Passes `check`; absent where nothing could be turned.
    pub configuration: Option<Json>,
    /// In the order of the file.
    pub left_out: Vec<LeftOut>,
}

/// A text that is no policy.
#[derive(Debug)]
pub struct SyntaxError {
    /// Where.
    pub at: Position,
    /// Why.
    pub message: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for SyntaxError {}

/// Turns a policy.
///
/// # Errors
/// If it is not XML as API Management's editor shows it.
pub fn import(policy: &str, around: Surroundings<'_>) -> Result<Imported, SyntaxError> {
    let (units, missing) = named::fill(units::decode(policy), around.named_values);
    let root = xml::read(&units)
        .map_err(|error| SyntaxError { at: error.at, message: error.message.to_string() })?;
    let mut report = Report::default();
    let flow = Interpreter::new(around.operation, &mut report).follow(&root);
    let routes = routes::of(flow, &mut report);
    let given =
        Given { operation: around.operation, namespace: around.namespace, allowed: around.allowed };
    let config = configuration::write(&routes, &given, &mut report);
    let at = root.children.first().map_or(Position::START, |element| element.at);
    let configuration = match config {
        Some(config) => {
            report.list_unread(&root);
            let config = named::report(config, &missing, &mut report.left_out);
            prune::prune(config, |what, why| report.leave_out(at, what, why))
        }
        None => {
            let why = "sends nothing to Service Bus, and asks no other service";
            report.leave_out(at, "policy", why);
            // What it names may be Service Bus.
            named::report_all(&missing, &mut report.left_out);
            None
        }
    };
    let mut left_out = report.left_out;
    left_out.sort_by_key(|one| one.at);
    let mut seen = std::collections::HashSet::new();
    left_out.retain(|one| seen.insert((one.at, one.what.clone(), one.why.clone())));
    Ok(Imported { configuration, left_out })
}
