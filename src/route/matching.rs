//! Which requests are ours.

use crate::http::Headers;

/// The conditions of a route, all of which must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// One of these.
    pub methods: Vec<String>,
    /// Compared to the path without its query, byte for byte.
    pub path: PathMatch,
    /// Any, when empty.
    pub hosts: Vec<HostMatch>,
    /// Header name, and the value that all its lines joined by `,` must have.
    pub headers: Vec<(String, String)>,
}

/// A condition on the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathMatch {
    /// The whole path.
    Exact(String),
    /// The path itself or anything below it: `/a` holds `/a` and `/a/b`, not `/ab`.
    Prefix(String),
    /// Segments, some of them captured.
    Template(Vec<Segment>),
}

/// One segment of a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A name in braces: any segment that is not empty.
    Capture(String),
    /// The text itself.
    Literal(String),
}

/// A condition on the host, in lower case and without port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostMatch {
    /// The whole host.
    Exact(String),
    /// `*.example.com`, kept as `.example.com`: any host that ends so and has more before it.
    Suffix(String),
}

/// Name and text of each segment that a path template captured.
pub(super) type Captures<'a> = Vec<(&'a str, &'a str)>;

impl Match {
    /// The captures of the path if the request matches.
    pub fn captures<'a>(&'a self, request: &'a Headers) -> Option<Captures<'a>> {
        let method = request.first(":method").unwrap_or_default();
        let method_fits = self.methods.iter().any(|m| m.as_bytes() == method);
        if !method_fits || !self.host_fits(request) {
            return None;
        }
        let header_fits = |(name, value): &(String, String)| {
            request.joined(name).is_some_and(|found| found.as_ref() == value.as_bytes())
        };
        if !self.headers.iter().all(header_fits) {
            return None;
        }
        self.path.captures(path(request)?)
    }

    fn host_fits(&self, request: &Headers) -> bool {
        if self.hosts.is_empty() {
            return true;
        }
        let Some(authority) = request.first_text(":authority") else { return false };
        let host = without_root(without_port(authority)).to_ascii_lowercase();
        self.hosts.iter().any(|condition| match condition {
            HostMatch::Exact(exact) => host == *exact,
            HostMatch::Suffix(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        })
    }
}

impl PathMatch {
    fn captures<'a>(&'a self, path: &'a str) -> Option<Captures<'a>> {
        match self {
            Self::Exact(exact) => (path == exact).then(Vec::new),
            Self::Prefix(prefix) => {
                let rest = path.strip_prefix(prefix.as_str())?;
                let at_boundary = rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/');
                at_boundary.then(Vec::new)
            }
            Self::Template(segments) => template_captures(segments, path),
        }
    }
}

fn template_captures<'a>(segments: &'a [Segment], path: &'a str) -> Option<Captures<'a>> {
    let mut captures = Vec::new();
    let mut found = path.strip_prefix('/')?.split('/');
    for segment in segments {
        let text = found.next()?;
        match segment {
            Segment::Literal(literal) if text == literal => {}
            Segment::Capture(name) if !text.is_empty() => captures.push((name.as_str(), text)),
            _ => return None,
        }
    }
    found.next().is_none().then_some(captures)
}

/// The path without its query; `None` when it is not UTF-8, which no configured path matches.
fn path(request: &Headers) -> Option<&str> {
    let path = request.first_text(":path")?;
    Some(path.split_once('?').map_or(path, |(path, _)| path))
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// A host without the dot that stands for the root of the domain name system.
pub(crate) fn without_root(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, host: &str, path: &str) -> Headers {
        [(":method", method), (":authority", host), (":path", path)].into_iter().collect()
    }

    fn any(path: PathMatch) -> Match {
        let methods = vec!["GET".to_owned(), "POST".to_owned()];
        Match { methods, path, hosts: vec![], headers: vec![] }
    }

    fn matches(path: &PathMatch, found: &str) -> bool {
        any(path.clone()).captures(&request("POST", "h", found)).is_some()
    }

    #[test]
    fn an_exact_path_is_the_path_without_query() {
        let path = PathMatch::Exact("/orders".to_owned());
        for found in ["/orders", "/orders?", "/orders?a=/b"] {
            assert!(matches(&path, found), "{found}");
        }
        for found in ["/", "/orders/", "/Orders", "/orders/1", "/order", "orders", ""] {
            assert!(!matches(&path, found), "{found}");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let path = PathMatch::Prefix("/a".to_owned());
        for found in ["/a", "/a/", "/a/b", "/a?b"] {
            assert!(matches(&path, found), "{found}");
        }
        for found in ["/ab", "/", "/A/b"] {
            assert!(!matches(&path, found), "{found}");
        }
        let path = PathMatch::Prefix("/a/".to_owned());
        assert!(matches(&path, "/a/b") && matches(&path, "/a/") && !matches(&path, "/a"));
        assert!(matches(&PathMatch::Prefix("/".to_owned()), "/anything"));
    }

    #[test]
    fn a_template_captures_whole_segments() {
        let path = PathMatch::Template(vec![
            Segment::Literal("orders".to_owned()),
            Segment::Capture("id".to_owned()),
            Segment::Literal("status".to_owned()),
        ]);
        let conditions = any(path.clone());
        let request = request("GET", "h", "/orders/a%2Fb/status?x=1");
        assert_eq!(conditions.captures(&request), Some(vec![("id", "a%2Fb")]));
        for found in ["/orders//status", "/orders/1", "/orders/1/status/", "/orders/1/2/status"] {
            assert!(!matches(&path, found), "{found}");
        }
    }

    #[test]
    fn methods_are_compared_as_they_are() {
        let mut conditions = any(PathMatch::Prefix("/".to_owned()));
        conditions.methods = vec!["POST".to_owned(), "PUT".to_owned()];
        assert!(conditions.captures(&request("PUT", "h", "/")).is_some());
        assert!(conditions.captures(&request("GET", "h", "/")).is_none());
        assert!(conditions.captures(&request("post", "h", "/")).is_none());
    }

    #[test]
    fn hosts_have_no_port_and_no_case() {
        let mut conditions = any(PathMatch::Prefix("/".to_owned()));
        conditions.hosts = vec![
            HostMatch::Exact("api.example.com".to_owned()),
            HostMatch::Suffix(".example.org".to_owned()),
            HostMatch::Exact("[::1]".to_owned()),
        ];
        let ours = [
            "api.example.com",
            "API.example.com:8443",
            "api.example.com.",
            "api.example.com.:8443",
            "a.b.Example.org",
            "a.example.org.",
            "[::1]:80",
        ];
        for host in ours {
            assert!(conditions.captures(&request("GET", host, "/")).is_some(), "{host}");
        }
        let others = [
            "example.com",
            "example.org",
            ".example.org",
            "api.example.com.evil",
            "api.example.com..",
            ".",
            "",
        ];
        for host in others {
            assert!(conditions.captures(&request("GET", host, "/")).is_none(), "{host}");
        }
    }

    #[test]
    fn header_lines_are_joined_before_they_are_compared() {
        let mut conditions = any(PathMatch::Prefix("/".to_owned()));
        conditions.headers = vec![("x-a".to_owned(), "1,2".to_owned())];
        let with = |lines: &[&str]| {
            let head = [(":method", "GET"), (":authority", "h"), (":path", "/")];
            let lines = lines.iter().map(|line| ("x-a", *line));
            let request: Headers = head.into_iter().chain(lines).collect();
            conditions.captures(&request).is_some()
        };
        assert!(with(&["1,2"]) && with(&["1", "2"]));
        assert!(!with(&["1"]) && !with(&[]) && !with(&["1", "2", "3"]));
    }

    #[test]
    fn bytes_that_are_no_text_match_no_path() {
        let request: Headers =
            [(":method", &b"GET"[..]), (":path", b"/\xff")].into_iter().collect();
        assert_eq!(any(PathMatch::Prefix("/".to_owned())).captures(&request), None);
    }
}
