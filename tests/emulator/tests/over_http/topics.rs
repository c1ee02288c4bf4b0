//! Topics and subscriptions.

use std::fs;

use tempfile::TempDir;

use crate::client::HOST;
use crate::emulator::{Emulator, command};

#[test]
fn each_subscription_gets_what_its_rules_let_through() {
    let emulator = Emulator::start();
    emulator.send("notifications", "m-1", &[("vip", "true")], b"one");
    emulator.send("notifications", "m-2", &[], b"two");
    emulator.send("notifications", "m-3", &[("vip", "\"true\"")], b"three");
    for expected in ["one", "two", "three"] {
        assert_eq!(emulator.receive("notifications/subscriptions/all").text(), expected);
    }
    assert_eq!(emulator.receive("notifications/Subscriptions/VIP").text(), "one");
    assert_eq!(emulator.receive("notifications/subscriptions/vip").status, 204);
}

#[test]
fn a_message_of_a_subscription_is_locked_and_completed_there() {
    let emulator = Emulator::start();
    emulator.send("notifications", "m-1", &[], b"one");
    let locked = emulator.peek_lock("notifications/subscriptions/all");
    let location = locked.header("Location").unwrap();
    let path = location.strip_prefix(&format!("http://{HOST}")).unwrap();
    assert!(path.starts_with("/notifications/subscriptions/all/messages/1/"), "{path}");
    assert_eq!(emulator.ask(&format!("DELETE {path}"), &[], b"").status, 200);
    assert_eq!(emulator.receive("notifications/subscriptions/all").status, 204);
}

#[test]
fn a_topic_itself_keeps_nothing_to_receive() {
    let emulator = Emulator::start();
    let answer = emulator.receive("notifications");
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.detail(),
        "Messages cannot be received from the topic 'notifications'; receive from a subscription."
    );
}

#[test]
fn a_topic_drops_duplicates() {
    let emulator = Emulator::start();
    emulator.send("audit", "m-1", &[], b"");
    emulator.send("audit", "m-1", &[], b"");
    assert_eq!(emulator.stored("audit"), 1);
    assert_eq!(emulator.stored("audit/subscriptions/all"), 1);
    assert_eq!(emulator.verdict(), "duplicate dropped");
}

/// A topic `t` whose subscriptions are named and each have rules, in the form of the file.
fn with_rules(subscriptions: &[(&str, &str)]) -> Emulator {
    let listed = subscriptions
        .iter()
        .map(|(name, rules)| format!("{{\"Name\": \"{name}\", \"Rules\": [{rules}]}}"));
    let listed = listed.collect::<Vec<_>>().join(", ");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("entities.json");
    let text = format!(
        "// Rules\n{{\"UserConfig\": {{\"Namespaces\": [{{\"Name\": \"sbemulatorns\", /* one */
            \"Topics\": [{{\"Name\": \"t\", \"Subscriptions\": [{listed}]}},]}}]}}}}"
    );
    fs::write(&file, text).unwrap();
    Emulator::spawn(&mut command(&file))
}

fn sql(name: &str, filter: &str, action: Option<&str>) -> String {
    let action = action.map(|text| serde_json::json!({"SqlExpression": text}));
    serde_json::json!({"Name": name, "Properties": {"FilterType": "Sql",
        "SqlFilter": {"SqlExpression": filter}, "Action": action}})
    .to_string()
}

#[test]
fn sql_filters_select() {
    let large = sql("large", "quantity >= 10 AND color LIKE 'bl_e'", None);
    let labelled = sql("labelled", "sys.Label IN ('a', 'b') OR user.vip = TRUE", None);
    let emulator = with_rules(&[
        ("large", &large),
        ("labelled", &labelled),
        ("rest", &sql("r", "NOT EXISTS(color)", None)),
    ]);
    emulator.send("t", "m-1", &[("color", "\"blue\""), ("quantity", "10")], b"one");
    emulator.send("t", "m-2", &[("color", "\"blue\""), ("quantity", "9.5")], b"two");
    emulator.send("t", "m-3", &[("vip", "true")], b"three");
    let broker = r#"{"MessageId":"m-4","Label":"b"}"#;
    assert_eq!(
        emulator.ask("POST /t/messages", &[("BrokerProperties", broker)], b"four").status,
        201
    );
    let received = |subscription: &str| {
        let path = format!("t/subscriptions/{subscription}");
        let answers = std::iter::repeat_with(|| emulator.receive(&path));
        let bodies = answers.take_while(|answer| answer.status == 200);
        bodies.map(|answer| answer.text().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(received("large"), ["one"]);
    assert_eq!(received("labelled"), ["three", "four"]);
    assert_eq!(received("rest"), ["three", "four"]);
}

#[test]
fn each_rule_with_an_action_makes_a_copy_of_its_own() {
    let rules = [
        sql(
            "halved",
            "color = 'red'",
            Some("SET quantity = quantity / 2; REMOVE color; SET sys.CorrelationId = 'low';"),
        ),
        sql("plain", "color = 'red'", None),
        sql("plain-too", "1=1", None),
    ];
    let emulator = with_rules(&[("s", &rules.join(", "))]);
    emulator.send("t", "m-1", &[("color", "\"red\""), ("quantity", "11")], b"one");
    let plain = emulator.receive("t/subscriptions/s");
    assert_eq!((plain.header("color"), plain.header("quantity")), (Some("\"red\""), Some("11")));
    assert_eq!(plain.header("RuleName"), None);
    let halved = emulator.receive("t/subscriptions/s");
    assert_eq!((halved.header("color"), halved.header("quantity")), (None, Some("5")));
    assert_eq!(halved.header("RuleName"), Some("\"halved\""));
    assert_eq!(halved.broker_properties()["CorrelationId"], "low");
    assert_eq!(halved.text(), "one");
    assert_eq!(emulator.receive("t/subscriptions/s").status, 204);
}

#[test]
fn a_message_that_a_rule_cannot_be_evaluated_for_is_dead_lettered() {
    let emulator = with_rules(&[
        ("s", &sql("large", "quantity > 10", None)),
        ("all", &sql("all", "1=1", None)),
    ]);
    emulator.send("t", "m-1", &[("quantity", "\"11\"")], b"one");
    assert_eq!(emulator.receive("t/subscriptions/s").status, 204);
    assert_eq!(emulator.receive("t/subscriptions/all").text(), "one");
    let dead = emulator.receive("t/subscriptions/s/$DeadLetterQueue");
    assert_eq!(dead.text(), "one");
    assert_eq!(dead.header("DeadLetterReason"), Some("\"FilterException\""));
    assert_eq!(
        dead.header("DeadLetterErrorDescription"),
        Some(
            "\"The rule 'large' cannot be evaluated: > cannot stand between a string and a whole number.\""
        )
    );
}

#[test]
fn a_scheduled_message_stays_scheduled_whatever_an_action_says() {
    let emulator = with_rules(&[("s", &sql("r", "1=1", Some("SET a = 1")))]);
    let broker = r#"{"MessageId":"m-1","ScheduledEnqueueTimeUtc":"Fri, 01 Jan 2100 00:00:00 GMT"}"#;
    assert_eq!(emulator.ask("POST /t/messages", &[("BrokerProperties", broker)], b"").status, 201);
    assert_eq!(emulator.receive("t/subscriptions/s").status, 204);
    assert_eq!(emulator.admin("GET entities", "")["t/subscriptions/s"]["scheduled"], 1);
}
