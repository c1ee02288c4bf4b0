//! The operation that a policy is for: what API Management keeps outside of the policy.

use serde_json::{Value as Json, json};

/// Method and path of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    method: String,
    path: String,
    /// Whether any path that begins so is meant.
    prefix: bool,
    /// Parameters of the path, with our names for them.
    pub(super) captures: Vec<(String, String)>,
    /// Parameters of the query.
    pub(super) query: Vec<String>,
}

impl Operation {
    /// Reads `POST /orders/{id}?page={page}`.
    ///
    /// # Errors
    /// If it has another form.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "expected a method and a path such as \"POST /orders/{id}\"";
        let (method, target) = text.trim().split_once(' ').ok_or(FORM)?;
        let (path, query) = target.trim().split_once('?').unwrap_or((target.trim(), ""));
        if !method.bytes().all(|byte| byte.is_ascii_uppercase()) || !path.starts_with('/') {
            return Err(FORM.to_owned());
        }
        let names = |text: &str| -> Vec<String> {
            let parts = text.split('{').skip(1).filter_map(|part| part.split_once('}'));
            parts.map(|(name, _)| name.trim_start_matches('*').to_owned()).collect()
        };
        let captures: Vec<_> =
            names(path).into_iter().map(|name| (name.clone(), ours(&name))).collect();
        let query = names(query);
        let prefix = path.ends_with("/*");
        let mut path = path.trim_end_matches('*').to_owned();
        for (theirs, ours) in &captures {
            path = path.replace(&format!("{{{theirs}}}"), &format!("{{{ours}}}"));
        }
        Ok(Self { method: method.to_owned(), path, prefix, captures, query })
    }

    /// What our route matches.
    pub(super) fn matches(&self) -> Json {
        let key = match (self.prefix, self.captures.is_empty()) {
            (true, true) => "path_prefix",
            (_, false) => "path_template",
            _ => "path",
        };
        json!({"methods": [self.method], key: self.path})
    }
}

/// A name of letters, digits and underscores.
fn ours(name: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = name.chars().map(fits).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}
