//! Policies that are broken anywhere: a refusal or a list, never a crash, and never a configuration
//! that the filter refuses.

use envoy_service_bus::config::{Config, Environment};
use import_apim::{Operation, Surroundings};

use crate::policies::POLICIES;

/// A text cut off at some places, and with a character of it changed.
fn variants(text: &str, every: usize) -> impl Iterator<Item = String> {
    let changes = ['{', '"', '\\', ')', '|', '\u{0}', '&', '\'', '<', '>', '@', '(', ';', '='];
    let places = text.char_indices().map(|(at, _)| at).step_by(every);
    places.zip(changes.into_iter().cycle()).flat_map(move |(at, c)| {
        let rest: String = text[at..].chars().skip(1).collect();
        [
            text[..at].to_owned(),
            format!("{}{c}{rest}", &text[..at]),
            format!("{}{rest}", &text[..at]),
        ]
    })
}

#[test]
fn what_is_made_of_a_broken_policy_passes_the_filters_reader() {
    let operation = Operation::parse("POST /hotels/{hotel}/stays").unwrap();
    let around =
        Surroundings { operation: &operation, namespace: None, allowed: &[], named_values: &[] };
    let mut turned = 0;
    for (name, policy, _) in POLICIES {
        for text in variants(policy, 23) {
            let Ok(imported) = import_apim::import(&text, around) else { continue };
            let Some(configuration) = imported.configuration else { continue };
            let read = Config::parse(configuration.to_string().as_bytes(), Environment::Unknown);
            assert!(read.is_ok(), "{name}: {configuration:#} of\n{text}");
            turned += 1;
        }
    }
    assert!(turned > 300, "{turned}");
}
