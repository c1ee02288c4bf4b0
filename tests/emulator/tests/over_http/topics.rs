//! Topics and subscriptions.

use crate::client::HOST;
use crate::emulator::Emulator;

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
