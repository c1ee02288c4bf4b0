//! JSON whose texts are templates.

use std::fmt;

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
    /// Such as `payload.items[0].price`.
    pub place: String,
    /// `None` when a value is not there.
    pub error: Option<EvalError>,
}

/// Where a value stands; written out only when there is an error to tell.
enum Place<'a> {
    Index(&'a Place<'a>, usize),
    Key(&'a Place<'a>, &'a str),
    Root(&'a str),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(list, index) => write!(formatter, "{list}[{index}]"),
            Self::Key(object, key) => write!(formatter, "{object}.{key}"),
            Self::Root(name) => formatter.write_str(name),
        }
    }
}

impl Tree {
    /// Makes the JSON for a request; `None` when the whole of it is not there. `name` is what an
    /// error calls the tree.
    ///
    /// # Errors
    /// When the request does not fit, or lacks a value that is needed.
    pub fn value(
        &self,
        scope: &Scope<'_>,
        absent: Absent,
        name: &str,
    ) -> Result<Option<Value>, TreeError> {
        self.at(scope, absent, &Place::Root(name))
    }

    fn at(
        &self,
        scope: &Scope<'_>,
        absent: Absent,
        place: &Place<'_>,
    ) -> Result<Option<Value>, TreeError> {
        let failed = |error| TreeError { place: place.to_string(), error };
        match self {
            Self::Fixed(value) => Ok(Some(value.clone())),
            Self::Template(template) => match template.value(scope) {
                Ok(None) if absent == Absent::Refuse => Err(failed(None)),
                Ok(value) => Ok(value),
                Err(error) => Err(failed(Some(error))),
            },
            Self::List(items) => {
                let item = |(index, item): (usize, &Self)| {
                    let value = item.at(scope, absent, &Place::Index(place, index))?;
                    Ok(value.unwrap_or(Value::Null))
                };
                let items: Result<Vec<_>, _> = items.iter().enumerate().map(item).collect();
                items.map(Value::Array).map(Some)
            }
            Self::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for (key, member) in members {
                    if let Some(value) = member.at(scope, absent, &Place::Key(place, key))? {
                        object.insert(key.clone(), value);
                    }
                }
                Ok(Some(Value::Object(object)))
            }
        }
    }
}
