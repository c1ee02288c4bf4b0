//! Open inputs: LIKE against its definition, logic against its tables, any text at all.

use proptest::prelude::*;

use super::super::super::PropertyValue;
use super::tests::{message, new_id, order, passes, text};
use super::*;

/// LIKE by its definition, slow and plain.
fn like_slowly(text: &[char], pattern: &[char]) -> bool {
    match (pattern, text) {
        ([], text) => text.is_empty(),
        (['%', pattern @ ..], text) => {
            (0..=text.len()).any(|skipped| like_slowly(&text[skipped..], pattern))
        }
        (['_', pattern @ ..], [_, text @ ..]) => like_slowly(text, pattern),
        ([wanted, pattern @ ..], [character, text @ ..]) => {
            wanted == character && like_slowly(text, pattern)
        }
        _ => false,
    }
}

/// A condition as text, with what it must say: true, false or unknown.
fn conditions() -> impl Strategy<Value = (String, Option<bool>)> {
    let leaf = prop_oneof![
        Just(("1 = 1".to_owned(), Some(true))),
        Just(("color = 'red'".to_owned(), Some(false))),
        Just(("missing = 1".to_owned(), None)),
    ];
    leaf.prop_recursive(5, 40, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|(text, value)| (format!("NOT ({text})"), value.map(|v| !v))),
            (inner.clone(), inner.clone()).prop_map(|((a, left), (b, right))| {
                let value = match (left, right) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                };
                (format!("({a}) AND ({b})"), value)
            }),
            (inner.clone(), inner).prop_map(|((a, left), (b, right))| {
                let value = match (left, right) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                };
                (format!("({a}) OR ({b})"), value)
            }),
        ]
    })
}

/// Sums as text, with their value in C#.
fn sums() -> impl Strategy<Value = (String, i64)> {
    let leaf = (0..100_i64).prop_map(|number| (number.to_string(), number));
    leaf.prop_recursive(4, 20, 2, |inner| {
        (inner.clone(), 0..3_u8, inner).prop_map(|((a, left), operator, (b, right))| match operator
        {
            0 => (format!("({a} + {b})"), left.wrapping_add(right)),
            1 => (format!("({a} - {b})"), left.wrapping_sub(right)),
            _ => (format!("({a} * {b})"), left.wrapping_mul(right)),
        })
    })
}

proptest! {
    #[test]
    fn like_is_what_its_definition_says(value in "[ab%]{0,12}", pattern in "[ab_%]{0,8}") {
        let (characters, parts): (Vec<_>, Vec<_>) =
            (value.chars().collect(), pattern.chars().collect());
        let found = like::matches(&value, &pattern, None).unwrap();
        prop_assert_eq!(found, like_slowly(&characters, &parts));
    }

    #[test]
    fn an_escaped_text_is_like_itself_alone(value in "[ab_%!]{0,8}", other in "[ab_%!]{0,8}") {
        let pattern = value.replace('!', "!!").replace('%', "!%").replace('_', "!_");
        prop_assert_eq!(like::matches(&other, &pattern, Some('!')), Ok(value == other));
    }

    #[test]
    fn logic_has_three_values((filter, expected) in conditions()) {
        prop_assume!(filter.len() < 900);
        let is = |filter: &str| passes(filter, &order()).unwrap();
        prop_assert_eq!(is(&filter), expected == Some(true));
        prop_assert_eq!(is(&format!("NOT ({filter})")), expected == Some(false));
    }

    #[test]
    fn sums_are_computed((sum, expected) in sums()) {
        prop_assume!(sum.len() < 900 && i64::checked_add(expected, 1).is_some());
        let message = message(&[("sum", PropertyValue::Integer(expected))]);
        // A sum that leaves 64 bits in between fails; it is never another number.
        prop_assert_ne!(passes(&format!("sum = {sum}"), &message), Ok(false));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = SqlFilter::parse(&text);
        let _ = Action::parse(&text);
    }

    #[test]
    fn any_words_are_read_or_refused_and_evaluated(
        words in proptest::collection::vec(
            prop_oneof![
                Just("color"), Just("quantity"), Just("sys.Label"), Just("user."), Just("'x'"),
                Just("1"), Just("2.5"), Just("("), Just(")"), Just("="), Just("<>"), Just("+"),
                Just("-"), Just("%"), Just("NOT"), Just("AND"), Just("OR"), Just("IN"),
                Just("LIKE"), Just("ESCAPE"), Just("IS"), Just("NULL"), Just("EXISTS"), Just(","),
                Just("TRUE"), Just("newid()"), Just("p"), Just("SET"), Just("REMOVE"), Just(";"),
                Just("CASE"), Just("CAST"), Just("INTERVAL"), Just("["), Just("]"), Just("@a"),
            ],
            0..14,
        ),
    ) {
        let text = words.join(" ");
        if let Ok(filter) = SqlFilter::parse(&text) {
            let _ = filter.matches(&order(), &new_id);
        }
        if let Ok(action) = Action::parse(&text) {
            let _ = action.apply(&mut order(), &new_id);
        }
    }

    #[test]
    fn a_constant_is_read_as_it_is_written(value in "\\PC{0,40}", number in any::<u32>()) {
        let message = message(&[("text", text(&value)), ("n", PropertyValue::Integer(number.into()))]);
        let quoted = value.replace('\'', "''");
        prop_assert_eq!(passes(&format!("text = '{quoted}' AND n = {number}"), &message), Ok(true));
    }

    #[test]
    fn a_name_in_brackets_is_any_name(name in "\\PC{1,40}") {
        let message = message(&[(&name, PropertyValue::Integer(1))]);
        let quoted = name.replace(']', "]]");
        prop_assert_eq!(passes(&format!("[{quoted}] = 1"), &message), Ok(true));
        let quoted = name.replace('"', "\"\"");
        prop_assert_eq!(passes(&format!("\"{quoted}\" = 1"), &message), Ok(true));
    }
}
