//! Files that are right, and every way to be wrong with its text.

use std::time::Duration;

use super::*;
use crate::broker::{Entity, QueueSettings};

fn entities(text: &str) -> Namespace {
    parse(text.as_bytes(), Tier::Standard).unwrap().namespaces.pop().unwrap()
}

fn warnings(text: &str) -> Vec<String> {
    parse(text.as_bytes(), Tier::Standard).unwrap().warnings
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
fn a_file_may_have_comments_and_trailing_commas() {
    let text = "{ // the emulator's\n\"UserConfig\": {\"Namespaces\": [{\"Name\": \"ns\",
        /* two */ \"Queues\": [{\"Name\": \"q\"}, {\"Name\": \"r\"},],},],},}";
    assert_eq!(entities(text).entities().len(), 2);
}

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
            {"Name": "q", "Properties": {"MaxDeliveryCount": 0}},
            {"Name": "Q", "Properties": {"LockDuration": "1m"}}
        ], "Topics": {}"#,
    );
    assert_eq!(
        errors(&text, Tier::Standard),
        [
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
fn what_has_no_effect_is_told_once() {
    let text = file(
        r#""Queues": [
            {"Name": "q", "Properties": {"LockDuraton": "PT1M", "MaxSizeInMegabytes": 1024,
                "ForwardTo": "other"}},
            {"Name": "r", "Properties": {"MaxSizeInMegabytes": 1, "ForwardTo": "",
                "ForwardDeadLetteredMessagesTo": "other"}},
            {"Name": "s", "Properties": {"MaxSizeInMegabytes": 1}}
        ], "Topics": [{"Name": "t", "Properties": {"EnablePartitioning": true},
            "Subscriptions": [{"Name": "s", "Properties": {"ForwardTo": "other"}, "Rules": [
                {"Name": "r", "Properties": {"FilterType": "Sql", "CorrelationFilter": {},
                    "SqlFilter": {"SqlExpression": "1=1", "CompatibilityLevel": 20}}}]}]}]"#,
    );
    assert_eq!(
        warnings(&text),
        [
            "UserConfig.Namespaces[0].Queues[0].Properties.LockDuraton: unknown, so ignored; \
             known are DeadLetteringOnMessageExpiration, DefaultMessageTimeToLive, \
             ForwardDeadLetteredMessagesTo, ForwardTo, LockDuration, MaxDeliveryCount, \
             RequiresSession, DuplicateDetectionHistoryTimeWindow, RequiresDuplicateDetection",
            "UserConfig.Namespaces[0].Queues[0].Properties.MaxSizeInMegabytes: it has no effect \
             here (and in 2 other places)",
            "UserConfig.Namespaces[0].Queues[0].Properties.ForwardTo: this emulator does not \
             forward, so messages stay here (and in 1 other place)",
            "UserConfig.Namespaces[0].Queues[1].Properties.ForwardDeadLetteredMessagesTo: this \
             emulator does not forward, so messages stay here",
            "UserConfig.Namespaces[0].Topics[0].Properties.EnablePartitioning: it has no effect \
             here",
            "UserConfig.Namespaces[0].Topics[0].Subscriptions[0].Rules[0].Properties\
             .CorrelationFilter: FilterType is \"Sql\", so this filter has no effect",
            "UserConfig.Namespaces[0].Topics[0].Subscriptions[0].Rules[0].Properties.SqlFilter\
             .CompatibilityLevel: it has no effect here",
        ]
    );
    assert_eq!(warnings(include_str!("../../config.json")), [""; 0]);
}

#[test]
fn wrong_rules_are_refused() {
    for (properties, error) in [
        (
            r#"{"FilterType": "Sql", "SqlFilter": {"SqlExpression": "a = "}}"#,
            ".SqlFilter.SqlExpression: Expected: an expression, found: EOF",
        ),
        (
            r#"{"FilterType": "Sql", "SqlFilter": {"SqlExpression": "a = 1 AND sys.X = 1"}}"#,
            ".SqlFilter.SqlExpression: there is no system property \"X\" at Line: 1, Column: 15",
        ),
        (
            r#"{"FilterType": "TrueFilter", "Action": {"SqlExpression": "DROP a"}}"#,
            ".Action.SqlExpression: Expected: SET or REMOVE, found: DROP at Line: 1, Column: 1",
        ),
        (
            r#"{"FilterType": "TrueFilter", "Action": "SET a = 1"}"#,
            ".Action: expected an object, found \"SET a = 1\"",
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
            r#"{"FilterType": "Correlation", "CorrelationFilter": {}}"#,
            ".CorrelationFilter: a correlation filter needs at least one condition",
        ),
        (
            r#"{"FilterType": "Correlation", "CorrelationFilter": {"Properties": {"a": [1]}}}"#,
            ".CorrelationFilter.Properties.a: expected a string, a number, true or false, found [1]",
        ),
        (
            r#"{"FilterType": "Correlation", "CorrelationFilter": {"Subject": "a"}}"#,
            ".CorrelationFilter: a correlation filter needs at least one condition",
        ),
    ] {
        assert_eq!(errors(&rule(properties), Tier::Standard), [format!("{IN_RULE}{error}")]);
    }
}

#[test]
fn two_rules_of_one_name_are_refused() {
    let properties = r#"{"FilterType": "TrueFilter"}"#;
    let text = rule(properties).replace(
        r#""Rules": ["#,
        &format!(r#""Rules": [{{"Name": "R", "Properties": {properties}}}, "#),
    );
    let place = IN_RULE.replace("[0].Properties", "[1].Name");
    assert_eq!(errors(&text, Tier::Standard), [format!("{place}: another rule is named \"r\"")]);
}

#[test]
fn rules_are_read() {
    use crate::broker::{
        Action, CorrelationFilter, DEFAULT_RULE, Field, Filter, PropertyValue, Rule, SqlFilter,
    };
    let rules = |text: &str| {
        let namespace = entities(text);
        let Some(Entity::Topic(topic)) = namespace.entity("t") else { panic!("no topic") };
        topic.subscriptions[0].rules.list()
    };
    let first = |properties: &str| rules(&rule(properties)).remove(0);
    let filter = |properties: &str| first(properties).filter;
    let default = Rule { name: DEFAULT_RULE.into(), filter: Filter::True, action: None };
    let plain = file(r#""Topics": [{"Name": "t", "Subscriptions": [{"Name": "s"}]}]"#);
    assert_eq!(rules(&plain), [default]);
    assert_eq!(
        first(
            r#"{"FilterType": "Sql", "SqlFilter": {"SqlExpression": "color = 'red'"},
                "Action": {"SqlExpression": "SET n = 1"}}"#
        ),
        Rule {
            name: "r".into(),
            filter: Filter::Sql(SqlFilter::parse("color = 'red'").unwrap()),
            action: Some(Action::parse("SET n = 1").unwrap()),
        }
    );
    for none in ["null", "{}", r#"{"SqlExpression": ""}"#, r#"{"SqlExpression": null}"#] {
        let properties = format!(r#"{{"FilterType": "TrueFilter", "Action": {none}}}"#);
        assert_eq!(first(&properties).action, None, "{none}");
    }
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
        ("", "it is empty"),
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
            "member `UserConfig` is given twice on line 1 column 20",
        ),
    ] {
        assert_eq!(errors(text, Tier::Standard), [error], "{text}");
    }
}
