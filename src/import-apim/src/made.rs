//! Values of our configuration, as expressions are turned into them.

use envoy_service_bus::json;
use serde_json::{Map, Value as Json};

/// What an expression has become.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Made {
    Text(String),
    /// A number, boolean or null.
    Json(Json),
    Cel(Cel),
    /// Texts and expressions, one after the other.
    Joined(Vec<Piece>),
    Object(Vec<(String, Made)>),
    List(Vec<Made>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Cel(Cel),
}

/// An expression in CEL.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cel {
    pub(super) code: String,
    /// Whether it yields a text.
    pub(super) is_text: bool,
    /// Whether it is a name or call, and needs no brackets.
    pub(super) is_plain: bool,
    /// An expression that tells whether the value is there.
    pub(super) presence: Option<String>,
    /// Whether the policy asks for its text. By itself it keeps its type here.
    pub(super) cast: bool,
}

impl Cel {
    /// A name, or something else that needs no brackets.
    pub(super) fn plain(code: impl Into<String>, is_text: bool) -> Self {
        Self { code: code.into(), is_text, is_plain: true, presence: None, cast: false }
    }

    /// An operation.
    pub(super) fn operation(code: impl Into<String>, is_text: bool) -> Self {
        Self { is_plain: false, ..Self::plain(code, is_text) }
    }

    /// A member of a map, which may not be there, as the map itself may not.
    pub(super) fn member(map: &Cel, key: &str, is_text: bool) -> Self {
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
    pub(super) fn entry(map: &str, key: &str) -> Self {
        let key = literal(key);
        let presence = Some(format!("{key} in {map}"));
        Self { presence, ..Self::plain(format!("{map}[{key}]"), true) }
    }

    /// An expression that tells whether there is a value other than null.
    pub(super) fn there(&self) -> Option<String> {
        let presence = self.presence.clone()?;
        let not_null = format!("{presence} && {} != null", self.code);
        Some(if self.is_text { presence } else { not_null })
    }

    fn as_text(&self) -> String {
        if self.is_text { self.code.clone() } else { format!("string({})", self.code) }
    }

    /// The code as a part of an operation.
    fn operand(&self) -> String {
        if self.is_plain { self.code.clone() } else { format!("({})", self.code) }
    }
}

/// A text in CEL.
pub(super) fn literal(text: &str) -> String {
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

impl Made {
    /// The value as an expression, if it is no tree.
    pub(super) fn cel(&self) -> Option<Cel> {
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
            Self::Object(_) | Self::List(_) => return None,
        })
    }

    /// The value as a part of an operation.
    pub(super) fn operand(&self) -> Option<String> {
        self.cel().map(|cel| cel.operand())
    }

    pub(super) fn is_text(&self) -> bool {
        match self {
            Self::Text(_) | Self::Joined(_) => true,
            Self::Cel(cel) => cel.is_text || cel.cast,
            _ => false,
        }
    }

    /// The value where nothing but a text is meant.
    pub(super) fn text_operand(&self) -> Option<String> {
        match self {
            Self::Cel(cel) if !cel.is_text => Some(cel.as_text()),
            other => other.operand(),
        }
    }

    /// Whether a text of the policy's is a number here, when the request has one there.
    pub(super) fn keeps_type(&self) -> bool {
        match self {
            Self::Cel(cel) => cel.cast,
            Self::Object(members) => members.iter().any(|(_, made)| made.keeps_type()),
            Self::List(items) => items.iter().any(Self::keeps_type),
            _ => false,
        }
    }

    /// Its pieces as a part of a text.
    pub(super) fn pieces(self) -> Option<Vec<Piece>> {
        Some(match self {
            Self::Text(text) => vec![Piece::Text(text)],
            Self::Json(Json::Null) => vec![],
            Self::Json(value) => vec![Piece::Text(value.to_string())],
            Self::Cel(cel) => vec![Piece::Cel(cel)],
            Self::Joined(pieces) => pieces,
            Self::Object(_) | Self::List(_) => return None,
        })
    }

    /// Texts and expressions as one value.
    pub(super) fn joined(pieces: Vec<Piece>) -> Self {
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
    pub(super) fn template(&self) -> Json {
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
            Self::Object(members) => {
                let member = |(key, value): &(String, Made)| (key.clone(), value.template());
                Json::Object(members.iter().map(member).collect::<Map<_, _>>())
            }
            Self::List(items) => Json::Array(items.iter().map(Self::template).collect()),
        }
    }

    /// A text that was put together as JSON by hand, as the tree that it stands for.
    pub(super) fn or_tree(self) -> Self {
        let Some(pieces) = self.clone().pieces() else { return self };
        // Stands for an expression; no text has it.
        const MARK: char = '\u{f8ff}';
        let mut text = String::new();
        let mut inside = false;
        let mut cels = vec![];
        for piece in pieces {
            match piece {
                Piece::Text(piece) => {
                    let mut escaped = false;
                    for c in piece.chars() {
                        inside ^= c == '"' && !escaped;
                        escaped = c == '\\' && !escaped;
                    }
                    text.push_str(&piece);
                }
                Piece::Cel(cel) => {
                    let mark = format!("{MARK}{}{MARK}", cels.len());
                    text.push_str(&if inside { mark } else { format!("\"{mark}\"") });
                    cels.push((cel, inside));
                }
            }
        }
        match json::read(text.as_bytes()) {
            Ok(tree @ (Json::Object(_) | Json::Array(_))) => unmark(&tree, MARK, &cels),
            _ => self,
        }
    }
}

fn unmark(tree: &Json, mark: char, cels: &[(Cel, bool)]) -> Made {
    match tree {
        Json::Object(members) => {
            let member = |(key, value): (&String, &Json)| (key.clone(), unmark(value, mark, cels));
            Made::Object(members.iter().map(member).collect())
        }
        Json::Array(items) => {
            Made::List(items.iter().map(|item| unmark(item, mark, cels)).collect())
        }
        Json::String(text) => {
            let mut in_quotes = true;
            let pieces = text.split(mark).enumerate().map(|(index, part)| {
                let found = part.parse().ok().and_then(|index: usize| cels.get(index));
                match found.filter(|_| index % 2 == 1) {
                    Some((cel, inside)) => {
                        in_quotes &= inside;
                        Piece::Cel(cel.clone())
                    }
                    None => Piece::Text(part.to_owned()),
                }
            });
            match Made::joined(pieces.collect()) {
                Made::Joined(pieces) => match pieces.as_slice() {
                    [Piece::Cel(cel)] if !in_quotes || cel.is_text => Made::Cel(cel.clone()),
                    _ => Made::Joined(pieces),
                },
                other => other,
            }
        }
        other => Made::Json(other.clone()),
    }
}

/// A text in which no expression begins by chance.
fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}
