//! Which requests one of Envoy's routes takes.

use regex::Regex;

use crate::yaml::Node;

/// A request for which Envoy's route is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Absent where any host will do.
    pub(crate) host: Option<String>,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// Whether a request is taken; some conditions depend on more than is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Taken {
    No,
    Perhaps,
    Yes,
}

impl Taken {
    fn of(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }

    fn negated(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Perhaps => Self::Perhaps,
            Self::Yes => Self::No,
        }
    }
}

/// Whether a route's `match` takes a request.
pub(super) fn takes(matches: &Node, request: &Request) -> Taken {
    let each = matches.members().iter().map(|(key, value)| match key.name.as_str() {
        "headers" => {
            let headers = value.items().iter().map(|header| header_fits(header, request));
            headers.min().unwrap_or(Taken::Yes)
        }
        // Our routes leave gRPC, upgrades and CONNECT alone.
        "grpc" | "connect_matcher" | "connectMatcher" => Taken::No,
        "case_sensitive" | "caseSensitive" => Taken::Yes,
        "prefix"
        | "path"
        | "safe_regex"
        | "safeRegex"
        | "path_separated_prefix"
        | "pathSeparatedPrefix"
        | "path_match_policy"
        | "pathMatchPolicy" => path_fits(matches, &key.name, value, &request.path),
        _ => Taken::Perhaps,
    });
    each.min().unwrap_or(Taken::Perhaps)
}

fn path_fits(matches: &Node, key: &str, value: &Node, path: &str) -> Taken {
    let any_case = matches.str_of("case_sensitive") == Some("false");
    let same_case = |text: &str| if any_case { text.to_ascii_lowercase() } else { text.to_owned() };
    let path = same_case(path);
    let text = value.str().map(same_case);
    match (key, text) {
        ("prefix", Some(prefix)) => Taken::of(path.starts_with(&prefix)),
        ("path", Some(exact)) => Taken::of(path == exact),
        ("path_separated_prefix" | "pathSeparatedPrefix", Some(prefix)) => {
            let rest = path.strip_prefix(&prefix);
            Taken::of(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        }
        ("safe_regex" | "safeRegex", _) => {
            value.str_of("regex").map_or(Taken::Perhaps, |regex| whole(regex, &path))
        }
        _ => value
            .path(&["typed_config", "path_template"])
            .and_then(Node::str)
            .map_or(Taken::Perhaps, |template| template_fits(template, &path)),
    }
}

/// RE2 and our engine agree on what paths are matched by; where one knows more, nothing is said.
fn whole(regex: &str, text: &str) -> Taken {
    Regex::new(&format!("^(?:{regex})$"))
        .map_or(Taken::Perhaps, |regex| Taken::of(regex.is_match(text)))
}

/// Envoy's URI templates: `*` is a segment, `**` all that is left, `{name}` and `{name=…}` those.
fn template_fits(template: &str, path: &str) -> Taken {
    let mut pattern = String::new();
    let mut rest = template;
    while let Some(c) = rest.chars().next() {
        let (part, after) = if c == '{' {
            let Some((capture, after)) = rest.split_at(1).1.split_once('}') else {
                return Taken::Perhaps;
            };
            (capture.split_once('=').map_or("*", |(_, inner)| inner), after)
        } else {
            let end = rest.find('{').unwrap_or(rest.len());
            rest.split_at(end)
        };
        let escaped = regex::escape(part);
        pattern.push_str(&escaped.replace(r"\*\*", ".*").replace(r"\*", "[^/]+"));
        rest = after;
    }
    whole(&pattern, path)
}

fn header_fits(matcher: &Node, request: &Request) -> Taken {
    let name = matcher.str_of("name").unwrap_or_default().to_ascii_lowercase();
    let value = match name.as_str() {
        ":method" => Some(request.method.clone()),
        ":path" => Some(request.path.clone()),
        ":authority" | "host" => request.host.clone(),
        _ => request.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone()),
    };
    let Some(value) = value else { return Taken::Perhaps };
    let fits = value_fits(matcher, &value);
    if matcher.get("invert_match").is_some_and(|node| node.is_true()) {
        fits.negated()
    } else {
        fits
    }
}

fn value_fits(matcher: &Node, value: &str) -> Taken {
    if let Some(present) = matcher.get("present_match") {
        return Taken::of(present.is_true());
    }
    if let Some(matcher) = matcher.get("string_match") {
        return string_fits(matcher, value);
    }
    let old = [
        ("exact_match", "exact"),
        ("prefix_match", "prefix"),
        ("suffix_match", "suffix"),
        ("contains_match", "contains"),
    ];
    let found = old.iter().find_map(|(key, kind)| Some((kind, matcher.str_of(key)?)));
    if let Some((kind, text)) = found {
        return text_fits(kind, text, value, false);
    }
    match matcher.path(&["safe_regex_match", "regex"]).and_then(Node::str) {
        Some(regex) => whole(regex, value),
        // A matcher with a name alone asks for the header.
        None if matcher.members().len() == 1 => Taken::Yes,
        None => Taken::Perhaps,
    }
}

fn string_fits(matcher: &Node, value: &str) -> Taken {
    let any_case = matcher.get("ignore_case").is_some_and(|node| node.is_true());
    if let Some(regex) = matcher.path(&["safe_regex", "regex"]).and_then(Node::str) {
        return whole(regex, value);
    }
    let kinds = ["exact", "prefix", "suffix", "contains"];
    let found = kinds.iter().find_map(|kind| Some((kind, matcher.str_of(kind)?)));
    found.map_or(Taken::Perhaps, |(kind, text)| text_fits(kind, text, value, any_case))
}

fn text_fits(kind: &str, text: &str, value: &str, any_case: bool) -> Taken {
    let same_case = |text: &str| if any_case { text.to_ascii_lowercase() } else { text.to_owned() };
    let (text, value) = (same_case(text), same_case(value));
    Taken::of(match kind {
        "exact" => value == text,
        "prefix" => value.starts_with(&text),
        "suffix" => value.ends_with(&text),
        _ => value.contains(&text),
    })
}
