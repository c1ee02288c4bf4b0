//! The names in a PromQL expression. It is no parser: that an expression is well-formed is for
//! Prometheus's own tool to say.

use std::collections::BTreeSet;

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// Metrics.
    pub(crate) metrics: BTreeSet<String>,
    /// Labels, in selectors and in groupings.
    pub(crate) labels: BTreeSet<String>,
    /// Labels with what they are compared with.
    pub(crate) matchers: Vec<(String, String)>,
}

/// Operators that look like names.
const OPERATORS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "atan2"];
/// What stands before labels in parentheses.
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Reads an expression.
pub(crate) fn names(expression: &str) -> Names {
    let mut found = Names::default();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if first == '{' {
            let (selector, after) = rest[1..].split_once('}').unwrap();
            matchers(selector, &mut found);
            rest = after;
        } else if first == '[' {
            rest = rest.split_once(']').unwrap().1;
        } else if is_in_name(first) {
            let end = rest.find(|c| !is_in_name(c)).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            rest = after;
            let after = after.trim_start();
            if GROUPINGS.contains(&name) {
                let (labels, after) = after.strip_prefix('(').unwrap().split_once(')').unwrap();
                found.labels.extend(labels.split(',').map(|label| label.trim().to_owned()));
                rest = after;
            } else if !(first.is_ascii_digit() || OPERATORS.contains(&name) || is_call(after)) {
                found.metrics.insert(name.to_owned());
            }
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    found
}

fn is_in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.')
}

/// A function, or an aggregation with its grouping in front.
fn is_call(after: &str) -> bool {
    let grouped = |grouping: &&str| after.starts_with(&format!("{grouping} ("));
    after.starts_with('(') || GROUPINGS.iter().any(grouped)
}

/// Reads `label="value", …`; no value of ours holds a quote or a brace.
fn matchers(selector: &str, found: &mut Names) {
    let mut quoted = selector.split('"');
    while let (Some(label), Some(value)) = (quoted.next(), quoted.next()) {
        let label = label.trim_matches(|c: char| !is_in_name(c)).to_owned();
        found.labels.insert(label.clone());
        found.matchers.push((label, value.to_owned()));
    }
}

#[test]
fn names_are_found_wherever_they_stand() {
    let found = names(
        r#"sum by (a, b) (rate(x_total{c="1",d!~"u|v"}[5m])) / on (e) y offset 5m > bool 0.5 unless z"#,
    );
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let pair = |(label, value): (&str, &str)| (label.to_owned(), value.to_owned());
    assert_eq!(
        found,
        Names {
            metrics: set(&["x_total", "y", "z"]),
            labels: set(&["a", "b", "c", "d", "e"]),
            matchers: [("c", "1"), ("d", "u|v")].map(pair).into(),
        }
    );
}
