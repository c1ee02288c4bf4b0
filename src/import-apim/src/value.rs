//! Values of our configuration, as expressions are turned into them.

mod tree;

use serde_json::{Map as Members, Value as Json};

/// What an expression has become.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    /// A number, boolean or null.
    Json(Json),
    Cel(Cel),
    /// Texts and expressions, one after the other.
    Joined(Vec<Piece>),
    Map(Vec<(String, Value)>),
    List(Vec<Value>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    Cel(Cel),
}

/// An expression in CEL.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cel {
    pub(crate) code: String,
    /// Whether it yields a text.
    pub(crate) is_text: bool,
    /// Whether it is a name or call, and needs no brackets.
    pub(crate) is_plain: bool,
    /// An expression that tells whether the value is there.
    pub(crate) presence: Option<String>,
    /// Whether the policy asks for its text. By itself it keeps its type here.
    pub(crate) cast: bool,
    /// Seconds after now, for a time that our expressions cannot name.
    pub(crate) delay: Option<u64>,
    /// The header that it reads, and the text that takes the place of a missing one.
    pub(crate) header: Option<(String, Option<String>)>,
    /// Conditions of a `match` that say the same, all of which must hold; empty where none do.
    pub(crate) matches: Vec<Matched>,
    /// The texts that it can yield, where there are only some.
    pub(crate) texts: Vec<String>,
}

/// One condition of a `match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Matched {
    /// A header's name and value.
    Header(String, String),
    Method(String),
}

impl Cel {
    /// A name, or something else that needs no brackets.
    pub(crate) fn plain(code: impl Into<String>, is_text: bool) -> Self {
        Self {
            code: code.into(),
            is_text,
            is_plain: true,
            presence: None,
            cast: false,
            delay: None,
            header: None,
            matches: vec![],
            texts: vec![],
        }
    }

    /// An operation.
    pub(crate) fn operation(code: impl Into<String>, is_text: bool) -> Self {
        Self { is_plain: false, ..Self::plain(code, is_text) }
    }

    /// A member of a map, which may not be there, as the map itself may not.
    pub(crate) fn member(map: &Cel, key: &str, is_text: bool) -> Self {
        let of = &map.code;
        let named = is_identifier(key);
        let code = if named { format!("{of}.{key}") } else { format!("{of}[{}]", literal(key)) };
        let own = if named { format!("has({code})") } else { format!("{} in {of}", literal(key)) };
        let presence = match &map.presence {
            Some(presence) => format!("{presence} && {own}"),
            None => own,
        };
        Self { presence: Some(presence), ..Self::plain(code, is_text) }
    }

    /// A member of a map that is asked for by its key alone.
    pub(crate) fn entry(map: &str, key: &str) -> Self {
        let key = literal(key);
        let presence = Some(format!("{key} in {map}"));
        Self { presence, ..Self::plain(format!("{map}[{key}]"), true) }
    }

    /// A header of the request.
    pub(crate) fn header(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        Self { header: Some((name.clone(), None)), ..Self::entry("request.headers", &name) }
    }

    /// A time some seconds after now.
    pub(crate) fn delay(seconds: u64) -> Self {
        Self { delay: Some(seconds), ..Self::plain(format!("now + {seconds}s"), true) }
    }

    /// An expression that tells whether there is a value other than null.
    pub(crate) fn there(&self) -> Option<String> {
        let presence = self.presence.clone()?;
        let not_null = format!("{presence} && {} != null", self.code);
        Some(if self.is_text { presence } else { not_null })
    }

    fn as_text(&self) -> String {
        if self.is_text { self.code.clone() } else { format!("string({})", self.code) }
    }

    /// The code as a part of an operation.
    pub(crate) fn operand(&self) -> String {
        if self.is_plain { self.code.clone() } else { format!("({})", self.code) }
    }
}

/// A text in CEL.
pub(crate) fn literal(text: &str) -> String {
    let mut quoted = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ => quoted.push(c),
        }
    }
    quoted.push('\'');
    quoted
}

fn is_identifier(name: &str) -> bool {
    const RESERVED: [&str; 8] = ["in", "true", "false", "null", "has", "all", "map", "exists"];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RESERVED.contains(&name)
}

impl Value {
    /// The value as an expression, if it is no tree.
    pub(crate) fn cel(&self) -> Option<Cel> {
        Some(match self {
            Self::Text(text) => Cel::plain(literal(text), true),
            Self::Json(value) => Cel::plain(value.to_string(), false),
            Self::Cel(cel) => cel.clone(),
            Self::Joined(pieces) => {
                let codes = pieces.iter().map(|piece| match piece {
                    Piece::Text(text) => literal(text),
                    Piece::Cel(cel) if cel.is_text => cel.operand(),
                    Piece::Cel(cel) => cel.as_text(),
                });
                Cel::operation(codes.collect::<Vec<_>>().join(" + "), true)
            }
            Self::Map(_) | Self::List(_) => return None,
        })
    }

    /// The value as a part of an operation.
    pub(crate) fn operand(&self) -> Option<String> {
        self.cel().map(|cel| cel.operand())
    }

    pub(crate) fn is_text(&self) -> bool {
        match self {
            Self::Text(_) | Self::Joined(_) => true,
            Self::Cel(cel) => cel.is_text || cel.cast,
            _ => false,
        }
    }

    /// The texts that it can yield, if they are only some.
    pub(crate) fn texts(&self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text.clone()],
            Self::Cel(cel) => cel.texts.clone(),
            _ => vec![],
        }
    }

    /// Whether a condition yields the same for all requests.
    pub(crate) fn as_bool(&self) -> Option<bool> {
        if let Self::Json(Json::Bool(value)) = self { Some(*value) } else { None }
    }

    /// Whether it holds a time that has no name in our expressions.
    pub(crate) fn has_delay(&self) -> bool {
        match self {
            Self::Cel(cel) => cel.delay.is_some(),
            Self::Joined(pieces) => {
                pieces.iter().any(|one| matches!(one, Piece::Cel(cel) if cel.delay.is_some()))
            }
            Self::Map(members) => members.iter().any(|(_, value)| value.has_delay()),
            Self::List(items) => items.iter().any(Self::has_delay),
            Self::Text(_) | Self::Json(_) => false,
        }
    }

    /// The value where nothing but a text is meant.
    pub(crate) fn text_operand(&self) -> Option<String> {
        match self {
            Self::Cel(cel) if !cel.is_text => Some(cel.as_text()),
            other => other.operand(),
        }
    }

    /// Whether a text of the policy's is a number here, when the request has one there.
    pub(crate) fn keeps_type(&self) -> bool {
        match self {
            Self::Cel(cel) => cel.cast,
            Self::Map(members) => members.iter().any(|(_, value)| value.keeps_type()),
            Self::List(items) => items.iter().any(Self::keeps_type),
            _ => false,
        }
    }

    /// Its pieces as a part of a text.
    pub(crate) fn pieces(self) -> Option<Vec<Piece>> {
        Some(match self {
            Self::Text(text) => vec![Piece::Text(text)],
            Self::Json(Json::Null) => vec![],
            Self::Json(value) => vec![Piece::Text(value.to_string())],
            Self::Cel(cel) => vec![Piece::Cel(cel)],
            Self::Joined(pieces) => pieces,
            Self::Map(_) | Self::List(_) => return None,
        })
    }

    /// Texts and expressions as one value.
    pub(crate) fn joined(pieces: Vec<Piece>) -> Self {
        let mut joined: Vec<Piece> = vec![];
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (_, Piece::Text(text)) if text.is_empty() => {}
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => joined.push(piece),
            }
        }
        match joined.pop() {
            None => Self::Text(String::new()),
            Some(Piece::Text(text)) if joined.is_empty() => Self::Text(text),
            Some(last) => {
                joined.push(last);
                Self::Joined(joined)
            }
        }
    }

    /// The value as our configuration writes it.
    pub(crate) fn template(&self) -> Json {
        match self {
            Self::Text(text) => Json::String(escaped(text)),
            Self::Json(value) => value.clone(),
            Self::Cel(cel) => Json::String(format!("${{{}}}", cel.code)),
            Self::Joined(pieces) => {
                let text = |piece: &Piece| match piece {
                    Piece::Text(text) => escaped(text),
                    // By itself it would keep its type.
                    Piece::Cel(cel) if pieces.len() == 1 => format!("${{{}}}", cel.as_text()),
                    Piece::Cel(cel) => format!("${{{}}}", cel.code),
                };
                Json::String(pieces.iter().map(text).collect())
            }
            Self::Map(members) => {
                let member = |(key, value): &(String, Value)| (key.clone(), value.template());
                Json::Object(members.iter().map(member).collect::<Members<_, _>>())
            }
            Self::List(items) => Json::Array(items.iter().map(Self::template).collect()),
        }
    }
}

/// A text in which no expression begins by chance.
fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}
