//! Files that are right, and every way to be wrong with its text.

use std::time::Duration;

use super::*;
use crate::broker::{Entity, QueueSettings};

fn entities(text: &str) -> Namespace {
    parse(text.as_bytes(), Tier::Standard).unwrap().pop().unwrap()
}

fn errors(text: &str, tier: Tier) -> Vec<String> {
    let errors = parse(text.as_bytes(), tier).map(|_| ()).unwrap_err().to_string();
    errors.lines().map(str::to_owned).collect()
}

/// A file with one namespace that holds `members`.
fn file(members: &str) -> String {
    format!(r#"{{"UserConfig": {{"Namespaces": [{{"Name": "ns", {members}}}]}}}}"#)
}

fn queue(properties: &str) -> String {
    file(&format!(r#""Queues": [{{"Name": "q", "Properties": {properties}}}]"#))
}

fn rule(properties: &str) -> String {
    file(&format!(
        r#""Topics": [{{"Name": "t", "Subscriptions": [
            {{"Name": "s", "Rules": [{{"Name": "r", "Properties": {properties}}}]}}]}}]"#
    ))
}

const IN_QUEUE: &str = "UserConfig.Namespaces[0].Queues[0].Properties";
const IN_RULE: &str = "UserConfig.Namespaces[0].Topics[0].Subscriptions[0].Rules[0].Properties";

#[test]
fn the_shipped_file_is_right() {
    let namespace = entities(include_str!("../../config.json"));
    assert_eq!(namespace.name(), "sbemulatorns");
    let paths: Vec<_> = namespace.entities().into_iter().map(Entity::path).collect();
    assert_eq!(
        paths,
        [
            "audit",
            "audit/subscriptions/all",
            "dept/returns",
            "events",
            "notifications",
            "notifications/subscriptions/all",
            "notifications/subscriptions/vip",
            "orders",
            "quick",
            "raw",
            "sessions",
        ]
    );
}

#[test]
fn settings_are_those_of_the_file_or_of_microsofts_emulator() {
    let settings = |text: &str| {
        let namespace = entities(text);
        let Some(Entity::Queue(entity)) = namespace.entity("q") else { panic!("no queue") };
        entity.queue.lock().settings().clone()
    };
    let defaults = QueueSettings {
        dead_lettering_on_expiration: false,
        default_time_to_live: Duration::from_secs(3600),
        duplicate_window: None,
        lock_duration: Duration::from_secs(60),
        max_delivery_count: 3,
        requires_session: false,
    };
    assert_eq!(settings(&file(r#""Queues": [{"Name": "q"}]"#)), defaults);
    let all = r#"{
        "DeadLetteringOnMessageExpiration": true, "DefaultMessageTimeToLive": "PT5M",
        "DuplicateDetectionHistoryTimeWindow": "PT30S", "ForwardDeadLetteredMessagesTo": "",
        "ForwardTo": "", "LockDuration": "PT10S", "MaxDeliveryCount": 7,
        "RequiresDuplicateDetection": true, "RequiresSession": true}"#;
    assert_eq!(
        settings(&queue(all)),
        QueueSettings {
            dead_lettering_on_expiration: true,
            default_time_to_live: Duration::from_secs(300),
            duplicate_window: Some(Duration::from_secs(30)),
            lock_duration: Duration::from_secs(10),
            max_delivery_count: 7,
            requires_session: true,
        }
    );
}

#[test]
fn every_error_of_a_file_is_told_with_its_place() {
    let text = file(
        r#""Queues": [
            {"Name": "q", "Properties": {"LockDuraton": "PT1M", "MaxDeliveryCount": 0}},
            {"Name": "Q", "Properties": {"LockDuration": "1m"}}
        ], "Topics": {}"#,
    );
    assert_eq!(
        errors(&text, Tier::Standard),
        [
            "UserConfig.Namespaces[0].Queues[0].Properties.LockDuraton: unknown member; expected \
             one of DeadLetteringOnMessageExpiration, DefaultMessageTimeToLive, \
             ForwardDeadLetteredMessagesTo, ForwardTo, LockDuration, MaxDeliveryCount, \
             RequiresSession, DuplicateDetectionHistoryTimeWindow, RequiresDuplicateDetection",
            "UserConfig.Namespaces[0].Queues[0].Properties.MaxDeliveryCount: expected a whole \
             number from 1 to 2000, found 0",
            "UserConfig.Namespaces[0].Queues[1].Name: another entity is named \"Q\"",
            "UserConfig.Namespaces[0].Queues[1].Properties.LockDuration: expected an ISO 8601 \
             duration such as \"PT1M\", found \"1m\"",
            "UserConfig.Namespaces[0].Topics: expected an array, found {}",
        ]
    );
}

#[test]
fn wrong_settings_are_refused() {
    for (properties, error) in [
        ("1", ": expected an object, found 1"),
        (
            r#"{"LockDuration": "PT6M"}"#,
            ".LockDuration: expected a duration from PT5S to PT5M, found \"PT6M\"",
        ),
        (
            r#"{"LockDuration": 60}"#,
            ".LockDuration: expected an ISO 8601 duration such as \"PT1M\", found 60",
        ),
        (
            r#"{"DuplicateDetectionHistoryTimeWindow": "PT1S"}"#,
            ".DuplicateDetectionHistoryTimeWindow: expected a duration from PT5S to P7D, found \"PT1S\"",
        ),
        (
            r#"{"RequiresSession": "true"}"#,
            ".RequiresSession: expected true or false, found \"true\"",
        ),
        (
            r#"{"MaxDeliveryCount": 2.5}"#,
            ".MaxDeliveryCount: expected a whole number from 1 to 2000, found 2.5",
        ),
        (r#"{"ForwardTo": "other"}"#, ".ForwardTo: forwarding is not supported by this emulator"),
        (
            r#"{"ForwardDeadLetteredMessagesTo": "other"}"#,
            ".ForwardDeadLetteredMessagesTo: forwarding is not supported by this emulator",
        ),
    ] {
        assert_eq!(errors(&queue(properties), Tier::Standard), [format!("{IN_QUEUE}{error}")]);
    }
}

#[test]
fn wrong_names_are_refused() {
    let name =
        |name: &str| errors(&file(&format!(r#""Queues": [{{"Name": {name}}}]"#)), Tier::Standard);
    let place = "UserConfig.Namespaces[0].Queues[0].Name";
    for wrong in ["\"\"", "\"-a\"", "\"a/\"", "\"a b\"", "\"a//b\"", "\"ä\""] {
        assert_eq!(
            name(wrong),
            [format!(
                "{place}: expected 1 to 260 letters, digits, '.', '-', '_' and '/', with a letter \
                 or digit at both ends, found {wrong}"
            )]
        );
    }
    assert_eq!(name("5"), [format!("{place}: expected a string, found 5")]);
    assert_eq!(
        errors(&file(r#""Queues": [{}]"#), Tier::Standard),
        [format!("{place}: it is missing")]
    );
}

#[test]
fn rules_that_are_not_supported_say_so() {
    for (properties, error) in [
        (
            r#"{"FilterType": "Sql", "SqlFilter": {"SqlExpression": "a = 1"}}"#,
            ".SqlFilter.SqlExpression: SQL filters other than \"1=1\" and \"1=0\" are not \
             supported by this emulator, found \"a = 1\"",
        ),
        (
            r#"{"FilterType": "TrueFilter", "Action": {"SqlExpression": "SET a = 1"}}"#,
            ".Action: rule actions are not supported by this emulator",
        ),
        (
            r#"{"FilterType": "Xml"}"#,
            ".FilterType: expected \"Correlation\", \"Sql\", \"TrueFilter\" or \"FalseFilter\", \
             found \"Xml\"",
        ),
        ("{}", ".FilterType: it is missing"),
        (r#"{"FilterType": "Sql"}"#, ".SqlFilter: it is missing"),
        (r#"{"FilterType": "Correlation"}"#, ".CorrelationFilter: it is missing"),
        (
            r#"{"FilterType": "TrueFilter", "SqlFilter": {"SqlExpression": "1=1"}}"#,
            ".SqlFilter: it has no place in a rule of FilterType \"TrueFilter\"",
        ),
        (
            r#"{"FilterType": "Correlation", "CorrelationFilter": {}}"#,
            ".CorrelationFilter: a correlation filter needs at least one condition",
        ),
        (
            r#"{"FilterType": "Correlation", "CorrelationFilter": {"Properties": {"a": [1]}}}"#,
            ".CorrelationFilter.Properties.a: expected a string, a number, true or false, found [1]",
        ),
        (
            r#"{"FilterType": "Correlation", "CorrelationFilter": {"Subject": "a"}}"#,
            ".CorrelationFilter.Subject: unknown member; expected one of ContentType, \
             CorrelationId, Label, MessageId, ReplyTo, ReplyToSessionId, SessionId, To, Properties",
        ),
    ] {
        assert_eq!(errors(&rule(properties), Tier::Standard), [format!("{IN_RULE}{error}")]);
    }
}

#[test]
fn filters_are_read() {
    use crate::broker::{CorrelationFilter, Field, Filter, PropertyValue};
    let filter = |properties: &str| {
        let namespace = entities(&rule(properties));
        let Some(Entity::Topic(topic)) = namespace.entity("t") else { panic!("no topic") };
        topic.subscriptions[0].rules.list()[0].filter.clone()
    };
    let sql = |text: &str| {
        filter(&format!(r#"{{"FilterType": "Sql", "SqlFilter": {{"SqlExpression": "{text}"}}}}"#))
    };
    assert_eq!((sql("1 = 1"), sql("1=0")), (Filter::True, Filter::False));
    assert_eq!(filter(r#"{"FilterType": "FalseFilter"}"#), Filter::False);
    assert_eq!(
        filter(
            r#"{"FilterType": "Correlation", "CorrelationFilter":
                {"Label": "order", "Properties": {"vip": true, "n": 5}}}"#
        ),
        Filter::Correlation(CorrelationFilter {
            fields: vec![(Field::Label, "order".to_owned())],
            properties: vec![
                ("vip".to_owned(), PropertyValue::Boolean(true)),
                ("n".to_owned(), PropertyValue::Integer(5)),
            ],
        })
    );
}

#[test]
fn the_basic_tier_is_queues_only() {
    let text = file(
        r#""Queues": [{"Name": "q",
            "Properties": {"RequiresSession": true, "RequiresDuplicateDetection": true}}],
           "Topics": [{"Name": "t"}]"#,
    );
    assert_eq!(
        errors(&text, Tier::Basic),
        [
            format!("{IN_QUEUE}.RequiresSession: the Basic tier has no sessions"),
            format!(
                "{IN_QUEUE}.RequiresDuplicateDetection: the Basic tier has no duplicate detection"
            ),
            "UserConfig.Namespaces[0].Topics[0]: the Basic tier has no topics".to_owned(),
        ]
    );
}

#[test]
fn a_file_needs_a_namespace() {
    for (text, error) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("[]", "the document: expected an object, found []"),
        ("{}", "UserConfig: it is missing"),
        (r#"{"UserConfig": {}}"#, "UserConfig.Namespaces: it is missing"),
        (
            r#"{"UserConfig": {"Namespaces": []}}"#,
            "UserConfig.Namespaces: expected at least one namespace",
        ),
        (
            r#"{"UserConfig": {"Namespaces": [{"Name": "a"}, {"Name": "A"}]}}"#,
            "UserConfig.Namespaces[1].Name: another namespace is named \"A\"",
        ),
        (
            r#"{"UserConfig": {}, "UserConfig": {}}"#,
            "member `UserConfig` is given twice at line 1 column 36",
        ),
    ] {
        assert_eq!(errors(text, Tier::Standard), [error], "{text}");
    }
}
