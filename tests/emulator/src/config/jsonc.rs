//! JSON with comments and trailing commas, as .NET reads it; otherwise strict, and no member is
//! given twice.

use jsonc_parser::ast::Value as Tree;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::{Map, Value};

const STRICT: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Reads a file. A byte order mark, which Windows tools write, is no part of it.
///
/// # Errors
/// What is wrong, with line and column.
pub(super) fn parse(file: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(file).map_err(|error| {
        let before = file.get(..error.valid_up_to()).unwrap_or_default();
        format!("it is not UTF-8{}", place(&String::from_utf8_lossy(before)))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let options = CollectOptions::default();
    let tree = parse_to_ast(text, &options, &STRICT).map_err(|error| error.to_string())?;
    match tree.value {
        Some(tree) => value(text, tree),
        None => Err("it is empty".to_owned()),
    }
}

fn value(text: &str, tree: Tree<'_>) -> Result<Value, String> {
    let start = tree.range().start;
    let at = |start: usize| place(text.get(..start).unwrap_or_default());
    Ok(match tree {
        Tree::NullKeyword(_) => Value::Null,
        Tree::BooleanLit(literal) => literal.value.into(),
        Tree::StringLit(literal) => literal.value.into_owned().into(),
        Tree::NumberLit(literal) => serde_json::from_str::<serde_json::Number>(literal.value)
            .map_err(|_| format!("{} is not a number{}", literal.value, at(start)))?
            .into(),
        Tree::Array(array) => {
            let elements = array.elements.into_iter().map(|element| value(text, element));
            Value::Array(elements.collect::<Result<_, _>>()?)
        }
        Tree::Object(object) => {
            let mut members = Map::new();
            for property in object.properties {
                let start = property.range.start;
                let name = property.name.into_string();
                if members.contains_key(&name) {
                    return Err(format!("member `{name}` is given twice{}", at(start)));
                }
                members.insert(name, value(text, property.value)?);
            }
            Value::Object(members)
        }
    })
}

/// Where a text ends.
fn place(before: &str) -> String {
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!(" on line {line} column {column}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Value, String> {
        parse(text.as_bytes())
    }

    #[test]
    fn comments_and_trailing_commas_are_read_over() {
        let text =
            "\u{feff}// first\r\n{ /* a\n * b */ \"a\": [1, 2,], // \"c\": 3,\n\"b\": \"//\",}\n//";
        assert_eq!(read(text), Ok(json!({"a": [1, 2], "b": "//"})));
        assert_eq!(read("[1.50, -2, true, null, \"\\u00e9\\\"\"]").unwrap().to_string(), {
            "[1.50,-2,true,null,\"é\\\"\"]"
        });
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, error) in [
            ("", "it is empty"),
            ("// nothing", "it is empty"),
            ("{\"a\": 1,\n \"a\": 2}", "member `a` is given twice on line 2 column 2"),
            ("{\n  /* open", "Unterminated comment block on line 2 column 3"),
            ("{\"a\": 1,,}", "Unexpected token in object on line 1 column 9"),
            ("[1 2]", "Expected comma on line 1 column 3"),
            ("{a: 1}", "Expected string for object property on line 1 column 2"),
            ("['a']", "Single-quoted strings are not allowed on line 1 column 2"),
            ("[0x10]", "Hexadecimal numbers are not allowed on line 1 column 2"),
            ("[01]", "Expected comma on line 1 column 3"),
            ("{} {}", "Text cannot contain more than one JSON value on line 1 column 4"),
        ] {
            assert_eq!(read(text), Err(error.to_owned()), "{text}");
        }
        assert_eq!(parse(b"[\n\"\xff\"]"), Err("it is not UTF-8 on line 2 column 2".to_owned()));
    }
}
