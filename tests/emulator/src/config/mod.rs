//! The configuration file, in the format of Microsoft's emulator.

mod duration;
mod entities;
mod jsonc;
mod reader;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;

use reader::{Errors, Object, Place};

use crate::broker::Namespace;
use crate::wire::Tier;

/// Everything that is wrong with a file, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// What a file says.
#[derive(Debug)]
pub struct Config {
    /// Its namespaces.
    pub namespaces: Vec<Namespace>,
    /// Members that have no effect, each name once, with the place where it comes first.
    pub warnings: Vec<String>,
}

/// Reads a file.
///
/// # Errors
/// Every error of the file, each with its place.
pub fn parse(text: &[u8], tier: Tier) -> Result<Config, ConfigErrors> {
    let document = jsonc::parse(text).map_err(|error| ConfigErrors(vec![error]))?;
    let mut errors = Errors::default();
    let namespaces = read(&document, tier, &mut errors).unwrap_or_default();
    if errors.found.is_empty() {
        Ok(Config { namespaces, warnings: errors.warnings() })
    } else {
        Err(ConfigErrors(errors.found))
    }
}

fn read(document: &serde_json::Value, tier: Tier, errors: &mut Errors) -> Option<Vec<Namespace>> {
    let root = Object::new(document, Place::Root, &["UserConfig"], errors)?;
    let user = root.required("UserConfig", errors)?;
    let place = Place::Member(&root.place, "UserConfig");
    // How it logs is the other emulator's business.
    let user = Object::new(user, place, &["Namespaces", "Logging"], errors)?;
    user.required("Namespaces", errors)?;
    let listed = user.array("Namespaces", errors);
    if listed.is_empty() && errors.found.is_empty() {
        user.wrong("Namespaces", "expected at least one namespace", errors);
    }
    let place = Place::Member(&user.place, "Namespaces");
    let mut namespaces: Vec<Namespace> = Vec::new();
    for (index, namespace) in listed.iter().enumerate() {
        let place = Place::Element(&place, index);
        let known = ["Name", "Queues", "Topics"];
        let Some(namespace) = Object::new(namespace, place, &known, errors) else { continue };
        namespace.required("Name", errors);
        let name = namespace.string("Name", errors).unwrap_or_default().to_owned();
        if namespaces.iter().any(|other| other.name().eq_ignore_ascii_case(&name)) {
            let reason = format!("another namespace is named {name:?}");
            namespace.wrong("Name", reason, errors);
        }
        namespaces.push(Namespace::new(name, entities::read(&namespace, tier, errors)));
    }
    Some(namespaces)
}
