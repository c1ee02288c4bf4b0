//! The configuration file, in the format of Microsoft's emulator.

mod duration;
mod entities;
mod reader;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;

use reader::{Errors, Object, Place};

use crate::broker::Namespace;
use crate::wire::{Tier, json};

/// Everything that is wrong with a file, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Reads the namespaces of a file.
///
/// # Errors
/// Every error of the file, each with its place.
pub fn parse(text: &[u8], tier: Tier) -> Result<Vec<Namespace>, ConfigErrors> {
    let document = json::parse(text).map_err(|error| ConfigErrors(vec![error.to_string()]))?;
    let mut errors = Errors::default();
    let namespaces = read(&document, tier, &mut errors).unwrap_or_default();
    if errors.0.is_empty() { Ok(namespaces) } else { Err(ConfigErrors(errors.0)) }
}

fn read(document: &serde_json::Value, tier: Tier, errors: &mut Errors) -> Option<Vec<Namespace>> {
    let root = Object::new(document, Place::Root, &["UserConfig"], errors)?;
    let user = root.required("UserConfig", errors)?;
    let place = Place::Member(&root.place, "UserConfig");
    // How it logs is the other emulator's business.
    let user = Object::new(user, place, &["Namespaces", "Logging"], errors)?;
    user.required("Namespaces", errors)?;
    let listed = user.array("Namespaces", errors);
    if listed.is_empty() && errors.0.is_empty() {
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
