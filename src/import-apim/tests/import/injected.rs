//! Nothing is dropped in silence: what is put into a policy anywhere is listed.

use crate::policies::{POLICIES, import_case};

/// The start of each tag, and whether another element may stand before it.
fn tags(policy: &str) -> Vec<(usize, bool)> {
    let is_tag = |at: &usize| {
        let mut before = policy[..*at].chars().rev();
        let starts_line = before.find(|c| *c != ' ').is_none_or(|c| c == '\n' || c == '>');
        let next = policy[*at + 1..].chars().next();
        starts_line && next.is_some_and(|c| c.is_ascii_lowercase() || c == '/')
    };
    let starts = policy.match_indices('<').map(|(at, _)| at).filter(is_tag);
    starts.map(|at| (at, policy.as_bytes()[at + 1] == b'/')).collect()
}

fn place(text: &str, at: usize) -> (usize, usize) {
    let line = text[..at].matches('\n').count() + 1;
    let column = at - text[..at].rfind('\n').map_or(0, |newline| newline + 1) + 1;
    (line, column)
}

/// Line and column of what is listed.
fn listed(line: &str) -> (usize, usize) {
    let mut parts = line.split(':').map(|part| part.trim().parse().unwrap_or(0));
    (parts.next().unwrap(), parts.next().unwrap())
}

/// Whether an element that is listed as a whole holds a place, by the indentation of the text. At
/// `at_end` the place is before the end of an element.
fn covers(text: &str, listed: (usize, usize), at: (usize, usize), at_end: bool) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len() + 1;
    let is_element = text.lines().nth(listed.0 - 1).is_some_and(|line| indent(line) == listed.1);
    let between = text.lines().skip(listed.0).take(at.0.saturating_sub(listed.0 + 1));
    let inside = listed < at && (at.1 > listed.1 || at_end && at.1 == listed.1);
    is_element && inside && between.filter(|it| !it.is_empty()).all(|it| indent(it) > listed.1)
}

fn assert_listed(name: &str, changed: &str, (at, at_end): (usize, bool), what: &str) {
    let at = place(changed, at);
    let (_, left_out) = import_case(name, changed);
    let told = left_out.iter().any(|line| listed(line) == at && line.contains(what));
    let covered = left_out.iter().any(|line| covers(changed, listed(line), at, at_end));
    assert!(told || covered, "{name}: {what} at {at:?} of\n{changed}\n{left_out:#?}");
}

#[test]
fn an_unknown_element_is_listed_wherever_it_stands() {
    let mut count = 0;
    for (name, policy, _) in POLICIES {
        for (at, at_end) in tags(policy) {
            let mut changed = policy.to_owned();
            changed.insert_str(at, "<unheard-of a=\"1\">b</unheard-of>");
            assert_listed(name, &changed, (at, at_end), "unheard-of");
            count += 1;
        }
    }
    assert!(count > 300, "{count}");
}

#[test]
fn an_unknown_attribute_is_listed_wherever_it_stands() {
    let mut count = 0;
    for (name, policy, _) in POLICIES {
        for (at, is_end) in tags(policy) {
            if is_end {
                continue;
            }
            let rest = &policy[at + 1..];
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap();
            let at = at + 1 + end;
            let mut changed = policy.to_owned();
            changed.insert_str(at, " unheard-of=\"1\"");
            assert_listed(name, &changed, (at + 1, false), "unheard-of");
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
}

#[test]
fn a_stray_text_is_listed_wherever_it_stands() {
    for (name, policy, _) in POLICIES {
        // Between two tags of a container.
        for container in ["<inbound>", "<outbound>", "<policies>"] {
            let Some(at) = policy.find(container) else { continue };
            let at = at + container.len();
            let mut changed = policy.to_owned();
            changed.insert_str(at, "stray");
            assert_listed(name, &changed, (at, false), "this text has no effect");
        }
    }
}

#[test]
fn each_element_that_is_not_turned_is_listed_in_each_section() {
    use import_apim::{ELEMENTS, Fate};
    let (name, policy, _) = POLICIES[0];
    for entry in ELEMENTS {
        let (Fate::Envoy(why) | Fate::Listed(why)) = entry.fate else { continue };
        if ["set-query-parameter", "on-error"].contains(&entry.name) {
            continue;
        }
        for section in ["inbound", "outbound"] {
            let start = format!("<{section}>");
            let at = policy.find(&start).unwrap() + start.len();
            let mut changed = policy.to_owned();
            changed.insert_str(at, &format!("<{} a='1' />", entry.name));
            let (line, column) = place(&changed, at);
            let (_, left_out) = import_case(name, &changed);
            let expected = format!("{line}:{column}: {}: {why}", entry.name);
            assert!(left_out.contains(&expected), "{expected} is not in {left_out:#?}");
        }
    }
}

/// Attributes that say nothing about the message: another text in them changes nothing.
const WITHOUT_EFFECT: [(&str, &str); 9] = [
    ("set-status", "reason"),
    // A bearer token for Service Bus is taken for one of a managed identity, by any name.
    ("authentication-managed-identity", "output-token-variable-name"),
    ("rewrite-uri", "copy-unmatched-params"),
    ("authentication-managed-identity", "ignore-error"),
    // Whatever it is, the token is for Service Bus, which its host or the other settings tell.
    ("authentication-managed-identity", "resource"),
    // Described outside of the policy.
    ("set-backend-service", "backend-id"),
    ("send-request", "buffer-response"),
    // Settings of a comparison that is listed as a whole.
    ("validate-content", "unspecified-content-type-action"),
    ("validate-content", "errors-variable-name"),
];

/// Element, attribute and place of the value of each attribute that is a text.
fn attributes(policy: &str) -> Vec<(String, String, usize)> {
    let mut found = vec![];
    for (at, _) in tags(policy).into_iter().filter(|(_, is_end)| !is_end) {
        let rest = &policy[at + 1..];
        let name = rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap();
        let mut next = at + 1 + name.len();
        // Up to the first expression, or the end of the tag.
        loop {
            let rest = &policy[next..];
            let Some((attribute, value)) = rest.split_once("=\"") else { break };
            if attribute.contains(['>', '<', '@']) || value.starts_with('@') {
                break;
            }
            let start = next + attribute.len() + 2;
            found.push((name.to_owned(), attribute.trim().to_owned(), start));
            next = start + value.find('"').unwrap() + 1;
        }
    }
    found
}

#[test]
fn no_attribute_is_read_without_an_effect() {
    let mut count = 0;
    for (name, policy, _) in POLICIES {
        let (before, left_before) = import_case(name, policy);
        for (element, attribute, at) in attributes(policy) {
            if WITHOUT_EFFECT.contains(&(element.as_str(), attribute.as_str())) {
                continue;
            }
            // A variable that nobody reads.
            let value = policy[at..].split('"').next().unwrap();
            if attribute == "response-variable-name" && policy.matches(value).count() == 1 {
                continue;
            }
            // The filter passes no header on that nobody has named.
            let tag = policy[at..].split('>').next().unwrap();
            if tag.contains("exists-action=\"delete\"") {
                continue;
            }
            let end = at + policy[at..].find('"').unwrap();
            let mut changed = policy.to_owned();
            // Of the same length, so that what follows keeps its place.
            changed.replace_range(at..end, &"7".repeat(end - at));
            let told = format!(": {element} {attribute}: ");
            let covered = left_before.iter().any(|line| {
                line.contains(&told) || covers(policy, listed(line), place(policy, at), false)
            });
            let (_, after) = (before.clone(), crate::policies::try_case(name, &changed));
            let is_same = after == Some((before.clone(), left_before.clone()));
            assert!(
                !is_same || covered,
                "{name}: {element} {attribute} at {:?}",
                place(policy, at)
            );
            count += 1;
        }
    }
    assert!(count > 90, "{count}");
}

#[test]
fn no_element_is_read_without_an_effect() {
    let mut count = 0;
    for (name, policy, _) in POLICIES {
        let before = crate::policies::try_case(name, policy);
        for line in policy.lines().filter(|line| line.trim_start().starts_with('<')) {
            let element = line.trim();
            let is_whole = element.ends_with("/>") || element.contains("</");
            // What happens without them too.
            let by_itself =
                ["<base />", "<set-method>POST<", "<set-status code=\"200\" reason=\"OK\" />"];
            let is_empty = by_itself.iter().any(|one| element.starts_with(one))
                || element.contains("exists-action=\"delete\"");
            if !is_whole || is_empty || element.starts_with("</") {
                continue;
            }
            let changed = policy.replacen(line, "", 1);
            let after = crate::policies::try_case(name, &changed);
            // Parts of an element that is listed as a whole; a token is one by any name.
            let at = place(policy, policy.find(element).unwrap());
            let whole = |line: &String| covers(policy, listed(line), at, false);
            let covered = before.iter().flat_map(|(_, left_out)| left_out).any(whole)
                || element.contains("output-token-variable-name")
                // The body as it is, which a message has by itself.
                || element.starts_with("<payload>@(context.Request.Body.As<string>(");
            assert!(after != before || covered, "{name}: {element}");
            count += 1;
        }
    }
    assert!(count > 60, "{count}");
}
