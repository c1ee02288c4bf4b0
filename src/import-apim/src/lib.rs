//! A policy of API Management as a configuration of the filter, and what of it was left out.

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

mod position;

use std::fmt;

use serde_json::Value as Json;

pub use operation::Operation;
use policy::Importer;
pub use policy::LeftOut;
pub use position::Position;

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
    let mut importer = Importer::new(around.operation, around.allowed.to_vec());
    let (units, missing) = named::fill(units::decode(policy), around.named_values);
    let elements = xml::read(&units)
        .map_err(|error| SyntaxError { at: error.at, message: error.message.to_string() })?;
    importer.read(&elements);
    let config = importer.configuration(around.operation, around.namespace);
    let mut left_out = importer.left_out;
    let config = config.map(|config| named::report(config, &missing, &mut left_out));
    let at = elements.first().map_or(Position::START, |element| element.at);
    let mut leave_out = |what: &str, why: &str| {
        left_out.push(LeftOut { at, what: what.to_owned(), why: why.to_owned() });
    };
    let configuration = match config {
        Some(config) => prune::prune(config, &mut leave_out),
        None => {
            leave_out("policy", "sends nothing to Service Bus, and asks no other service");
            None
        }
    };
    left_out.sort_by_key(|one| one.at);
    left_out.dedup();
    Ok(Imported { configuration, left_out })
}
