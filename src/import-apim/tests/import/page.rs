//! The page about the migration says what the importer does.

use std::collections::BTreeMap;

use import_apim::{ELEMENTS, Fate};

use crate::{Given, imported, send};

const PAGE: &str = include_str!("../../../../docs/migrating-from-api-management.md");

/// The cells of each row of a table.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect();
    PAGE.lines().filter(|line| line.starts_with('|')).map(cells)
}

#[test]
fn it_has_each_element_of_the_policy_reference() {
    let mut told = BTreeMap::new();
    for row in rows() {
        let [name, fate @ ("turned" | "Envoy" | "listed"), text] = row[..] else { continue };
        assert!(told.insert(name.trim_matches('`'), (fate, text)).is_none(), "{name} twice");
    }
    assert_eq!(told.len(), ELEMENTS.len());
    for entry in ELEMENTS {
        let (fate, text) = told[entry.name];
        let expected = match entry.fate {
            Fate::Turned => ("turned", text),
            Fate::Envoy(why) => ("Envoy", why),
            Fate::Listed(why) => ("listed", why),
        };
        assert_eq!((fate, text), expected, "{}", entry.name);
        assert!(!text.is_empty(), "{}", entry.name);
    }
}

#[test]
fn its_expressions_become_what_it_says() {
    let mut count = 0;
    for row in rows() {
        let [theirs, ours] = row[..] else { continue };
        let code = |cell: &str| cell.split('`').nth(1).map(str::to_owned);
        let (Some(theirs), Some(ours)) = (code(theirs), code(ours)) else { continue };
        let root = ["context.", "Guid.", "DateTime."].iter().any(|root| theirs.starts_with(root));
        if !root || !ours.starts_with("${") || theirs.ends_with("Query") {
            continue;
        }
        let theirs = theirs.replace("[\"id\"]", "[\"order-id\"]");
        let property = format!("<message-property name='a'>@({theirs})</message-property>");
        let inside = format!("<message-properties>{property}</message-properties>");
        let (config, left) = imported(&send(&inside), &Given::default());
        let value = config["routes"][0]["send"]["properties"]["a"].clone();
        assert_eq!(value, ours.replace("path.id", "path.order_id"), "{theirs}");
        assert_eq!(left, [""; 0], "{theirs}");
        count += 1;
    }
    assert!(count >= 7, "{count}");
}
