//! The elements of API Management's policy reference, and what becomes of each.
//!
//! Source: the policy reference of Microsoft's documentation and the schemas of the policy editor,
//! as of August 2026.

mod elements;

pub use elements::ELEMENTS;

/// What becomes of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It becomes a part of the configuration.
    Turned,
    /// It is listed: a part of Envoy does this, which the text names.
    Envoy(&'static str),
    /// It is listed, for the reason that the text gives.
    Listed(&'static str),
}

/// An element of the reference.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub fate: Fate,
    /// Attributes of an element that is turned. Those with a text are listed with it.
    pub attributes: &'static [(&'static str, &'static str)],
}

/// The entry of a name.
pub(crate) fn entry(name: &str) -> Option<&'static Entry> {
    ELEMENTS.iter().find(|entry| entry.name == name)
}

/// Why an element is listed that nothing has turned.
pub(crate) fn reason(name: &str) -> &'static str {
    match entry(name).map(|entry| entry.fate) {
        Some(Fate::Envoy(text) | Fate::Listed(text)) => text,
        Some(Fate::Turned) => "has no effect that is understood where it stands",
        None => "is no element of the policy reference",
    }
}

/// Why an attribute is listed that nothing has turned.
pub(crate) fn reason_of_attribute(element: &str, name: &str) -> &'static str {
    let attributes = entry(element).map_or(&[][..], |entry| entry.attributes);
    match attributes.iter().find(|(other, _)| *other == name) {
        Some((_, "")) => "has no effect that is understood where it stands",
        Some((_, text)) => text,
        None => "is no attribute of the policy reference",
    }
}

/// Attributes that change nothing for a message: names, and how API Management itself reads.
pub(crate) fn has_no_effect(element: &str, attribute: &str) -> bool {
    let without: &[&str] = match element {
        "set-body" => &["parse-date", "html-decode-expression"],
        "set-status" => &["reason"],
        "rewrite-uri" => &["copy-unmatched-params"],
        "send-request" => &["buffer-response", "fail-on-error-status-code"],
        "authentication-managed-identity" => &["ignore-error"],
        _ => &[],
    };
    attribute == "id" || without.contains(&attribute)
}
