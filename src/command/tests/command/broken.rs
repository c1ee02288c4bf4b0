//! Files that are broken anywhere: a finding or a refusal, never a crash.

use std::fmt::Write as _;

use crate::program::run_with;

const POLICY: &str = include_str!("policies/recipe.xml");

/// A text cut off at some places, and with a character of it changed.
fn variants(text: &str, every: usize) -> Vec<String> {
    let places: Vec<_> = text.char_indices().map(|(at, _)| at).step_by(every).collect();
    let changes = ['{', '"', '\\', ')', '|', '\u{0}', '&', '\'', '-', '\t'];
    let cut = places.iter().map(|at| text[..*at].to_owned());
    let changed = places.iter().zip(changes.iter().cycle()).map(|(at, c)| {
        let mut variant = text[..*at].to_owned();
        let _ = write!(variant, "{c}");
        variant.extend(text[*at..].chars().skip(1));
        variant
    });
    cut.chain(changed).collect()
}

/// Runs a command on each; a crash ends with another code, and says so.
fn survives(arguments: &[&str], texts: &[String]) {
    for text in texts {
        let ended = run_with(arguments, &[], text);
        assert!((0..=2).contains(&ended.code), "{ended:?} after {text}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?} after {text}");
    }
}

#[test]
fn check_survives() {
    survives(&["check", "-"], &variants(include_str!("../../../../envoy/envoy.yaml"), 211));
    survives(&["check", "-"], &variants(crate::check::GOOD, 5));
}

#[test]
fn check_survives_each_form() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/command/others");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        survives(&["check", "-"], &variants(&text, 997));
        files += 1;
    }
    assert!(files > 20, "{files}");
}

#[test]
fn render_survives() {
    let request = "POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
    let own = ["render", "--config", "envoy/envoy.yaml", "--request", "-"];
    survives(&own, &variants(request, 2));
}

#[test]
fn import_survives() {
    survives(&["import-apim", "-", "--operation", "POST /orders"], &variants(POLICY, 17));
}
