//! Rules together: which copies a subscription gets.

use std::sync::Weak;

use bytes::Bytes;

use super::super::{Bare, BrokerProperties, Form};
use super::*;

fn rule(name: &str, filter: Filter, action: Option<&str>) -> Rule {
    let action = action.map(|text| Action::parse(text).unwrap());
    Rule { name: name.into(), filter, action }
}

fn sql(text: &str) -> Filter {
    Filter::Sql(SqlFilter::parse(text).unwrap())
}

fn rules(listed: impl IntoIterator<Item = Rule>) -> Rules {
    let rules = Rules::default();
    for rule in listed {
        rules.add(rule).unwrap();
    }
    rules
}

fn message() -> Arc<Message> {
    Arc::new(Message {
        body: Bytes::from_static(b"body"),
        content_type: None,
        broker: BrokerProperties { message_id: "m-1".into(), ..BrokerProperties::default() },
        properties: [("n".into(), PropertyValue::Integer(5))].into(),
        form: Form::Single,
        request: Weak::new(),
        bare: None,
    })
}

fn properties(message: &Message) -> Vec<(&str, PropertyValue)> {
    message.properties.iter().map(|(name, value)| (&**name, value.clone())).collect()
}

#[test]
fn rules_without_an_action_make_one_copy_and_each_with_one_its_own() {
    let rules = rules([
        rule("doubled", sql("n = 5"), Some("SET n = n * 2")),
        rule("plain-1", sql("n = 5"), None),
        rule("plain-2", Filter::True, None),
        rule("without", Filter::True, Some("REMOVE n")),
        rule("no-match", sql("n = 6"), Some("SET n = 0")),
    ]);
    let sent = message();
    let Selected { copies, failure } = rules.select(&sent, &Uuid::nil);
    assert_eq!(failure, None);
    let name = |name: &str| ("RuleName", PropertyValue::Text(name.into()));
    let five = ("n", PropertyValue::Integer(5));
    assert_eq!(
        copies.iter().map(|copy| properties(copy)).collect::<Vec<_>>(),
        [
            vec![five.clone()],
            vec![("n", PropertyValue::Integer(10)), name("doubled")],
            vec![name("without")],
        ]
    );
    assert!(Arc::ptr_eq(&copies[0], &sent));
    assert_eq!(properties(&sent), [five]);
}

#[test]
fn a_rule_that_fails_takes_nothing_from_the_others() {
    let rules = rules([
        rule("wrong", sql("n = 'five'"), None),
        rule("right", sql("n = 5"), None),
        rule("wrong-action", Filter::True, Some("SET n = n / 0")),
    ]);
    let Selected { copies, failure } = rules.select(&message(), &Uuid::nil);
    assert_eq!(copies.len(), 1);
    assert_eq!(
        failure.map(|failure| failure.to_string()).as_deref(),
        Some(
            "The rule 'wrong' cannot be evaluated: = cannot stand between a whole number and a \
             string."
        )
    );
}

#[test]
fn what_an_action_changes_is_not_sent_as_it_was_encoded() {
    let mut sent = Arc::unwrap_or_clone(message());
    let section = Bytes::from_static(b"encoded");
    sent.bare = Some(Box::new(Bare {
        properties: section.clone(),
        application_properties: section.clone(),
        body: section.clone(),
        ..Bare::default()
    }));
    let rules = rules([rule("changed", Filter::True, Some("SET n = 6"))]);
    let Selected { copies, .. } = rules.select(&Arc::new(sent), &Uuid::nil);
    let bare = copies[0].bare.as_deref().unwrap();
    assert!(bare.properties.is_empty() && bare.application_properties.is_empty());
    assert_eq!(bare.body, section);
}

#[test]
fn rules_come_and_go_by_name() {
    let rules = Rules::default_rule();
    assert_eq!(rules.select(&message(), &Uuid::nil).copies.len(), 1);
    assert_eq!(rules.add(rule("$default", Filter::True, None)), Err(RuleError::Exists));
    assert_eq!(rules.add(rule("other", Filter::False, None)), Ok(()));
    assert_eq!(rules.remove("$DEFAULT"), Ok(()));
    assert_eq!(rules.remove("$Default"), Err(RuleError::NotFound));
    assert_eq!(rules.list(), [rule("other", Filter::False, None)]);
    assert_eq!(rules.select(&message(), &Uuid::nil).copies.len(), 0);
}
