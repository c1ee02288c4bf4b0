//! What an expression says of a message, and what is no expression.

use std::sync::Weak;

use bytes::Bytes;
use uuid::Uuid;

use super::super::super::{BrokerProperties, Form, Message, PropertyValue, Scalar};
use super::*;

pub(super) fn text(text: &str) -> PropertyValue {
    PropertyValue::Text(text.into())
}

pub(super) fn message(properties: &[(&str, PropertyValue)]) -> Message {
    let named = properties.iter().map(|(name, value)| ((*name).into(), value.clone()));
    Message {
        body: Bytes::from_static(b"body"),
        content_type: Some("application/json".into()),
        broker: BrokerProperties {
            message_id: "m-1".into(),
            label: Some("order".into()),
            session_id: Some("s-1".into()),
            force_persistence: Some(true),
            ..BrokerProperties::default()
        },
        properties: named.collect(),
        form: Form::Single,
        request: Weak::new(),
        bare: None,
    }
}

/// A message with a property of each type.
pub(super) fn order() -> Message {
    message(&[
        ("color", text("blue")),
        ("quantity", PropertyValue::Integer(10)),
        ("price", PropertyValue::Float(2.5)),
        ("vip", PropertyValue::Boolean(true)),
        ("Store-Id", text("Store 1")),
        ("date", text("2026-11-21")),
        ("größe", text("100%")),
    ])
}

pub(super) fn new_id() -> Uuid {
    Uuid::from_u128(7)
}

pub(super) fn passes(filter: &str, message: &Message) -> Result<bool, String> {
    let filter = SqlFilter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    filter.matches(message, &new_id)
}

#[test]
fn what_is_true_passes() {
    let order = order();
    for filter in [
        "1=1",
        "color = 'blue'",
        "COLOR = 'blue' AND Quantity = 10",
        "user.color = 'blue'",
        "User.[Store-Id] = 'Store 1'",
        "\"Store-Id\" LIKE 'Store%'",
        "date = '2026-11-21'",
        "größe = '100%'",
        "color <> 'red'",
        "color != 'red'",
        "quantity > 9 AND quantity >= 10 AND quantity < 11 AND quantity <= 10",
        "quantity > 9.5",
        "price = 2.5 AND price > 2",
        "price = 25E-1",
        "vip = TRUE AND vip <> false",
        "NOT vip = FALSE",
        "quantity + 2 * 3 = 16",
        "(quantity + 2) * 3 = 36",
        "quantity / 4 = 2 AND quantity % 4 = 2",
        "quantity / 4.0 = 2.5",
        "-quantity = -10 AND +quantity = 10",
        "quantity - -1 = 11",
        "color + '-' + sys.Label = 'blue-order'",
        "color IN ('red', 'blue')",
        "color NOT IN ('red', 'green')",
        "quantity IN (1 + 9)",
        "color LIKE 'b%'",
        "color like '_lue'",
        "color NOT LIKE 'B%'",
        "größe LIKE '100\\%' ESCAPE '\\'",
        "größe LIKE '100!%' ESCAPE '!'",
        "missing IS NULL AND color IS NOT NULL",
        "EXISTS(color) AND NOT EXISTS (missing)",
        "exists ( sys.Label ) AND sys.To IS NULL",
        "sys.Label = 'order' AND sys.Subject = 'order' AND sys.label = 'order'",
        "sys.MessageId = 'm-1' AND sys.SessionId LIKE 's-%'",
        "sys.ContentType = 'application/json' AND sys.ForcePersistence = TRUE",
        "property('color') = 'blue' AND p('co' + 'lor') = 'blue'",
        "newid() = '00000000-0000-0000-0000-000000000007'",
        "color = 'red' OR color = 'blue' AND quantity = 10",
        "missing = 1 OR color = 'blue'",
        "'it''s' = 'it''s'",
        "NOT (missing = 1 AND color = 'red')",
        "quantity IN (missing, 10)",
    ] {
        assert_eq!(passes(filter, &order), Ok(true), "{filter}");
    }
}

#[test]
fn what_is_false_or_unknown_does_not_pass() {
    let order = order();
    for filter in [
        "1=0",
        "color = 'Blue'",
        "color = 'blue' AND quantity = 11",
        "missing = 1",
        "NOT missing = 1",
        "missing <> 1",
        "missing + 1 = 1",
        "-missing = 1",
        "missing LIKE '%'",
        "color LIKE missing",
        "color LIKE 'b%' ESCAPE missing",
        "missing IN (1)",
        "missing NOT IN (1)",
        "quantity NOT IN (missing, 11)",
        "quantity = NULL",
        "NULL = NULL",
        "sys.To NOT IN ('Store1')",
        "property('missing') = 1",
        "property(missing) = 1",
        "missing = 1 AND color = 'blue'",
        "NOT (missing = 1 OR color = 'red')",
        "color LIKE 'b_'",
        "color LIKE ''",
        "vip = FALSE",
        "0.0 / 0.0 = 0.0 / 0.0",
    ] {
        assert_eq!(passes(filter, &order), Ok(false), "{filter}");
    }
    assert_eq!(passes("0.0 / 0.0 <> 0.0 / 0.0", &order), Ok(true));
}

#[test]
fn what_has_no_meaning_in_c_sharp_fails_with_the_reason() {
    let order = order();
    for (filter, reason) in [
        ("color = 1", "= cannot stand between a string and a whole number"),
        ("color < 'red'", "< cannot stand between a string and a string"),
        ("vip > FALSE", "> cannot stand between a boolean and a boolean"),
        ("quantity = '10'", "= cannot stand between a whole number and a string"),
        ("quantity IN ('10')", "= cannot stand between a whole number and a string"),
        ("vip + 1 = 2", "+ cannot stand between a boolean and a whole number"),
        ("color - 'b' = 'lue'", "- cannot stand between a string and a string"),
        ("-color = 'x'", "- cannot stand before a string"),
        ("+vip = TRUE", "+ cannot stand before a boolean"),
        ("quantity / 0 = 1", "10 / 0 has no 64-bit result"),
        ("quantity % (quantity - 10) = 1", "10 % 0 has no 64-bit result"),
        ("9223372036854775807 + 1 = 1", "9223372036854775807 + 1 has no 64-bit result"),
        ("-(-9223372036854775807 - 1) = 1", "-(-9223372036854775808) has no 64-bit result"),
        ("quantity LIKE '1%'", "LIKE cannot stand between a whole number and a string"),
        ("color LIKE quantity", "LIKE cannot stand between a string and a whole number"),
        (
            "color LIKE 'b!l%' ESCAPE '!'",
            "in the pattern \"b!l%\" the escape character '!' does not stand before %, _ or itself",
        ),
        (
            "color LIKE 'b!' ESCAPE '!'",
            "in the pattern \"b!\" the escape character '!' does not stand before %, _ or itself",
        ),
        ("color LIKE 'b%' ESCAPE '!!'", "ESCAPE needs a string of one character, not \"!!\""),
        ("color LIKE 'b%' ESCAPE 1", "ESCAPE needs a string of one character, not a whole number"),
        ("property(1) = 1", "property() needs a string, not a whole number"),
    ] {
        assert_eq!(passes(filter, &order), Err(reason.to_owned()), "{filter}");
    }
    // What is decided before is not looked at.
    assert_eq!(passes("color = 'red' AND quantity / 0 = 1", &order), Ok(false));
    assert_eq!(passes("color = 'blue' OR quantity / 0 = 1", &order), Ok(true));
}

#[test]
fn what_amqp_alone_can_send_compares_by_its_value() {
    let other = PropertyValue::Other;
    let mut message = message(&[
        ("int", other(Scalar::Int(10))),
        ("float", other(Scalar::Float(2.5))),
        ("symbol", other(Scalar::Symbol("blue".into()))),
        ("nothing", other(Scalar::Null)),
        ("early", other(Scalar::Timestamp(1))),
        ("late", other(Scalar::Timestamp(2))),
        ("id", other(Scalar::Uuid(new_id()))),
        ("huge", other(Scalar::Ulong(u64::MAX))),
    ]);
    for filter in [
        "int = 10 AND int > 9.5 AND float = 2.5",
        "symbol LIKE 'b%'",
        "nothing IS NULL AND EXISTS(nothing)",
        "early < late AND early = early AND id = id",
    ] {
        assert_eq!(passes(filter, &message), Ok(true), "{filter}");
    }
    assert_eq!(passes("nothing = 1", &message), Ok(false));
    for (filter, reason) in [
        ("early = 1", "= cannot stand between a time and a whole number"),
        ("id < id", "< cannot stand between a UUID and a UUID"),
        ("huge > 1", "> cannot stand between ulong and a whole number"),
    ] {
        assert_eq!(passes(filter, &message), Err(reason.to_owned()), "{filter}");
    }
    let action = Action::parse("SET int = int / 2; SET int2 = int; SET huge = 1").unwrap();
    action.apply(&mut message, &new_id).unwrap();
    let properties = properties(&message);
    assert!(properties.contains(&("int", other(Scalar::Int(5)))));
    assert!(properties.contains(&("int2", PropertyValue::Integer(5))));
    assert!(properties.contains(&("huge", other(Scalar::Ulong(1)))));
}

#[test]
fn anything_else_is_refused_with_its_place() {
    let long = format!("a = '{}'", "x".repeat(1024));
    let deep = format!("{}a = 1{}", "(".repeat(100), ")".repeat(100));
    for (filter, error) in [
        ("", "Expected: an expression, found: EOF"),
        ("a =", "Expected: an expression, found: EOF"),
        ("a = 1 b", "Expected: an operator, found: b at Line: 1, Column: 7"),
        ("a", "expected a condition, found: a at Line: 1, Column: 1"),
        ("TRUE", "expected a condition, found: true at Line: 1, Column: 1"),
        ("NOT a", "expected a condition, found: a at Line: 1, Column: 5"),
        ("a + 1", "expected a condition, found: a + 1 at Line: 1, Column: 1"),
        ("a = (b = 1)", "expected a value, found: b = 1 at Line: 1, Column: 6"),
        ("a = 1 = 1", "expected a value, found: a = 1 at Line: 1, Column: 1"),
        (
            "a BETWEEN 1 AND 2",
            "expected a condition, found: a BETWEEN 1 AND 2 at Line: 1, Column: 1",
        ),
        ("a ILIKE 'x'", "expected a condition, found: a ILIKE 'x' at Line: 1, Column: 1"),
        ("a || 'x' = 'x'", "expected a value, found: a || 'x' at Line: 1, Column: 1"),
        ("a IN (SELECT 1)", "expected a condition, found: a IN (SELECT 1) at Line: 1, Column: 1"),
        ("a = X'00'", "X'00' is not a constant of rules at Line: 1, Column: 5"),
        ("a = N'x'", "N'x' is not a constant of rules at Line: 1, Column: 5"),
        ("lower(a) = 'x'", "expected a value, found: lower(a) at Line: 1, Column: 1"),
        ("newid(1) = 'x'", "expected a value, found: newid(1) at Line: 1, Column: 1"),
        ("p(DISTINCT a) = 'x'", "expected a value, found: p(DISTINCT a) at Line: 1, Column: 1"),
        ("exists(a, b)", "expected a condition, found: exists(a, b) at Line: 1, Column: 1"),
        ("exists(1)", "expected the name of a property, found: 1 at Line: 1, Column: 8"),
        ("a + 1 IS NULL", "expected the name of a property, found: a + 1 at Line: 1, Column: 1"),
        ("sys.Colour = 'x'", "there is no system property \"Colour\" at Line: 1, Column: 5"),
        (
            "sys.TimeToLive = 1",
            "sys.TimeToLive in a rule is not supported by this emulator at Line: 1, Column: 5",
        ),
        ("my.a = 1", "my.a: the scope of a property is sys or user at Line: 1, Column: 1"),
        (
            "a = 9223372036854775808",
            "9223372036854775808 does not fit 64 bits at Line: 1, Column: 5",
        ),
        ("a = 1E999", "1E999 is not a number at Line: 1, Column: 5"),
        (
            "a = @limit",
            "parameters such as @name are not supported by this emulator at Line: 1, Column: 5",
        ),
        ("a = 'open", "Unterminated string literal at Line: 1, Column: 5"),
        ("a = 1 -- all", "a comment is not expected at Line: 1, Column: 7"),
        ("a = 1; b = 2", "Expected: an operator, found: ; at Line: 1, Column: 6"),
        ("_a = 1", "Expected: an expression, found: _ at Line: 1, Column: 1"),
        (&*long, "at most 1024 characters are allowed, not 1030"),
        (&*deep, "it is nested too deeply"),
    ] {
        let found = SqlFilter::parse(filter).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(found, Err(error.to_owned()), "{filter}");
    }
}

fn changed(action: &str) -> Result<Message, String> {
    let mut message = order();
    let action = Action::parse(action).unwrap_or_else(|error| panic!("{action}: {error}"));
    action.apply(&mut message, &new_id).map(|()| message)
}

fn properties(message: &Message) -> Vec<(&str, PropertyValue)> {
    message.properties.iter().map(|(name, value)| (&**name, value.clone())).collect()
}

#[test]
fn an_action_sets_and_removes() {
    let message = changed(
        "SET quantity = quantity / 2; REMOVE COLOR;SET sys.CorrelationId = 'low';\
         set Region = 'EU', SET PRICE = 3\nREMOVE missing REMOVE sys.SessionId \
         SET vip = 'yes' SET [größe] = NULL; SET sys.MessageId = newid();",
    );
    let message = message.unwrap();
    assert_eq!(
        properties(&message),
        [
            ("quantity", PropertyValue::Integer(5)),
            // As the property was: a fraction.
            ("price", PropertyValue::Float(3.0)),
            ("vip", text("yes")),
            ("Store-Id", text("Store 1")),
            ("date", text("2026-11-21")),
            ("Region", text("EU")),
        ]
    );
    assert_eq!(message.broker.correlation_id.as_deref(), Some("low"));
    assert_eq!(message.broker.session_id, None);
    assert_eq!(&*message.broker.message_id, "00000000-0000-0000-0000-000000000007");
    assert_eq!(message.body, Bytes::from_static(b"body"));
}

#[test]
fn statements_see_what_those_before_them_did() {
    let message = changed("SET a = 1; SET a = a + 1; SET b = a * 10; REMOVE a").unwrap();
    assert_eq!(properties(&message).last(), Some(&("b", PropertyValue::Integer(20))));
    let message = changed("SET a = missing + 1").unwrap();
    assert_eq!(properties(&message), properties(&order()));
}

#[test]
fn what_an_action_cannot_do_fails_with_the_reason() {
    let long = format!("SET sys.SessionId = '{}'", "x".repeat(129));
    for (action, reason) in [
        ("SET sys.Label = 1", "Label cannot be set to a whole number"),
        ("SET sys.ForcePersistence = 'yes'", "ForcePersistence cannot be set to a string"),
        ("SET sys.MessageId = NULL", "MessageId cannot be empty"),
        ("SET sys.MessageId = ''", "MessageId cannot be empty"),
        ("SET a = quantity / 0", "10 / 0 has no 64-bit result"),
        (&*long, "SessionId cannot be set to a text of 129 characters"),
    ] {
        assert_eq!(changed(action).map(|_| ()), Err(reason.to_owned()), "{action}");
    }
}

#[test]
fn what_is_no_action_is_refused_with_its_place() {
    let many = "REMOVE a;".repeat(33);
    for (action, error) in [
        ("", "Expected: SET or REMOVE, found: EOF"),
        ("SET a = 1,", "Expected: SET or REMOVE, found: EOF"),
        ("SET a = 1;;", "Expected: SET or REMOVE, found: ; at Line: 1, Column: 11"),
        ("SET a", "Expected: =, found: EOF"),
        ("SET a = 1 = 1", "Expected: SET or REMOVE, found: = at Line: 1, Column: 11"),
        ("SET 1 = a", "Expected: the name of a property, found: 1 at Line: 1, Column: 5"),
        ("SET sys.Colour = 1", "there is no system property \"Colour\" at Line: 1, Column: 9"),
        ("REMOVE sys.MessageId", "sys.MessageId cannot be removed"),
        ("DROP a", "Expected: SET or REMOVE, found: DROP at Line: 1, Column: 1"),
        ("[SET] a = 1", "Expected: SET or REMOVE, found: [SET] at Line: 1, Column: 1"),
        (&*many, "an action has at most 32 statements, this one 33"),
    ] {
        let found = Action::parse(action).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(found, Err(error.to_owned()), "{action}");
    }
}
