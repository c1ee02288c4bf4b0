//! The operation that a policy is for: what API Management keeps outside of the policy.

use serde_json::{Value as Json, json};

use crate::value::{Cel, Piece, Value};

/// Method and path of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    method: String,
    path: String,
    /// Whether any path that begins so is meant.
    prefix: bool,
    /// Parameters of the path, with our names for them.
    pub(crate) captures: Vec<(String, String)>,
    /// Parameters of the query.
    pub(crate) query: Vec<String>,
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

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    /// Its path, with captures as values.
    pub(crate) fn path_value(&self) -> Value {
        let path = self.captures.iter().fold(self.path.clone(), |path, (theirs, ours)| {
            path.replace(&format!("{{{ours}}}"), &format!("{{{theirs}}}"))
        });
        self.filled(&path)
    }

    /// A path template with values in place of its parameters.
    pub(crate) fn filled(&self, template: &str) -> Value {
        let mut pieces = vec![];
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { break };
            let own = self.captures.iter().find(|(theirs, _)| theirs == name);
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match own {
                Some((_, own)) => Piece::Cel(Cel::plain(format!("path.{own}"), true)),
                None => Piece::Text(format!("{{{name}}}")),
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Value::joined(pieces)
    }

    /// What our route matches.
    pub(crate) fn matches(&self) -> Json {
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
