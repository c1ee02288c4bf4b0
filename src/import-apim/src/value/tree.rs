//! Texts that policies put together as JSON by hand.

use envoy_service_bus::json;
use serde_json::Value as Json;

use super::{Cel, Piece, Value};

impl Value {
    /// A text that was put together as JSON by hand, as the tree that it stands for.
    pub(crate) fn or_tree(self) -> Self {
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

fn unmark(tree: &Json, mark: char, cels: &[(Cel, bool)]) -> Value {
    match tree {
        Json::Object(members) => {
            let member = |(key, value): (&String, &Json)| (key.clone(), unmark(value, mark, cels));
            Value::Map(members.iter().map(member).collect())
        }
        Json::Array(items) => {
            Value::List(items.iter().map(|item| unmark(item, mark, cels)).collect())
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
            match Value::joined(pieces.collect()) {
                Value::Joined(pieces) => match pieces.as_slice() {
                    [Piece::Cel(cel)] if !in_quotes || cel.is_text => Value::Cel(cel.clone()),
                    _ => Value::Joined(pieces),
                },
                other => other,
            }
        }
        other => Value::Json(other.clone()),
    }
}
