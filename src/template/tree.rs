//! JSON whose texts are templates.

use serde_json::{Map, Value};

use super::{EvalError, Scope, Template};

/// A tree of templates, which yields JSON.
#[derive(Debug)]
pub enum Tree {
    /// Nothing in it depends on the request.
    Fixed(Value),
    /// A list.
    List(Vec<Tree>),
    /// Members in their order.
    Object(Vec<(String, Tree)>),
    /// A text.
    Template(Template),
}

/// What is done about a value that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It is left out of its object; in a list it becomes null.
    LeaveOut,
    /// It is an error.
    Refuse,
}

/// A tree that could not be made, with the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeError {
    /// Such as `items[0].price`; empty for the whole.
    pub place: String,
    /// `None` when a value is not there.
    pub error: Option<EvalError>,
}

impl Tree {
    /// Makes the JSON for a request; `None` when the whole of it is not there.
    ///
    /// # Errors
    /// When the request does not fit, or lacks a value that is needed.
    pub fn value(&self, scope: &Scope<'_>, absent: Absent) -> Result<Option<Value>, TreeError> {
        self.at(scope, absent, String::new())
    }

    fn at(
        &self,
        scope: &Scope<'_>,
        absent: Absent,
        place: String,
    ) -> Result<Option<Value>, TreeError> {
        match self {
            Self::Fixed(value) => Ok(Some(value.clone())),
            Self::Template(template) => match template.value(scope) {
                Ok(None) if absent == Absent::Refuse => Err(TreeError { place, error: None }),
                Ok(value) => Ok(value),
                Err(error) => Err(TreeError { place, error: Some(error) }),
            },
            Self::List(items) => {
                let item = |(index, item): (usize, &Self)| {
                    let value = item.at(scope, absent, format!("{place}[{index}]"))?;
                    Ok(value.unwrap_or(Value::Null))
                };
                let items: Result<Vec<_>, _> = items.iter().enumerate().map(item).collect();
                items.map(Value::Array).map(Some)
            }
            Self::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for (key, member) in members {
                    let dot = if place.is_empty() { "" } else { "." };
                    let value = member.at(scope, absent, format!("{place}{dot}{key}"))?;
                    if let Some(value) = value {
                        object.insert(key.clone(), value);
                    }
                }
                Ok(Some(Value::Object(object)))
            }
        }
    }
}
