//! Tokens that are signed here: their life, their keys, their clock.

use std::rc::Rc;
use std::time::Duration;

use crate::common::shared::Memory;
use envoy_service_bus::credentials::{
    Access, AccessKey, CredentialEvent, Credentials, KeyRole, SasKeys, Secret, Signer, TokenId,
};
use envoy_service_bus::time::Time;

const START: u64 = 1_000_000;

struct Worker {
    signer: Signer,
    now: Time,
}

fn key(text: &str) -> AccessKey {
    AccessKey::new("send-only", &Secret::new(text.to_owned())).unwrap()
}

fn worker(secondary: Option<&str>) -> Worker {
    let keys = SasKeys {
        primary: key("first"),
        secondary: secondary.map(key),
        token_ttl: Duration::from_secs(3600),
    };
    let signer = Signer::new(&Credentials::Sas(Rc::new(keys)), "contoso.servicebus.windows.net");
    Worker { signer, now: at(START) }
}

/// A moment of the wall clock.
fn at(seconds: u64) -> Time {
    Time { wall: Duration::from_secs(seconds), monotonic: Duration::from_secs(7) }
}

impl Worker {
    fn token(&mut self, entity: &str) -> (String, TokenId) {
        match self.signer.access(entity, None, self.now, &Memory::default()) {
            Access::Token { value, token_id } => (value.to_string(), token_id),
            _ => panic!("no token"),
        }
    }

    fn refused(&mut self, token_id: TokenId) -> bool {
        self.refused_at(token_id, None)
    }

    fn refused_at(&mut self, token_id: TokenId, broker_time: Option<u64>) -> bool {
        let broker_time = broker_time.map(Duration::from_secs);
        self.signer.refused("orders", token_id, broker_time, self.now, &Memory::default())
    }

    /// Signs for an entity and is refused.
    fn refused_for(&mut self, entity: &str) -> bool {
        let (_, token_id) = self.token(entity);
        self.signer.refused(entity, token_id, None, self.now, &Memory::default())
    }

    /// Signs for an entity and is accepted.
    fn accepted_for(&mut self, entity: &str) {
        self.accepted_at(entity, None);
    }

    fn accepted_at(&mut self, entity: &str, broker_time: Option<u64>) {
        let (_, token_id) = self.token(entity);
        let broker_time = || broker_time.map(Duration::from_secs);
        self.signer.accepted(entity, token_id, broker_time, self.now.wall);
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }
}

fn signed_by(token: &str, text: &str) -> bool {
    let part = |name: &str| token.split(name).nth(1).unwrap().split('&').next().unwrap();
    let resource = percent_encoding::percent_decode_str(part("sr=")).decode_utf8().unwrap();
    token == key(text).sign(&resource, part("se=").parse().unwrap())
}

#[test]
fn a_token_serves_until_a_fifth_of_its_life_is_left() {
    let mut worker = worker(None);
    let (first, _) = worker.token("orders");
    assert!(first.contains("se=1003600&"), "{first}");
    worker.pass(2879);
    assert_eq!(worker.token("orders").0, first);
    worker.pass(1);
    let (second, _) = worker.token("orders");
    assert!(second.contains("se=1006480&"), "{second}");
}

#[test]
fn each_entity_has_its_token() {
    let mut worker = worker(None);
    let (orders, _) = worker.token("orders");
    let (events, _) = worker.token("eu/events");
    assert!(orders.contains("sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2Forders&"));
    assert!(events.contains("sr=https%3A%2F%2Fcontoso.servicebus.windows.net%2Feu%2Fevents&"));
}

#[test]
fn a_clock_set_back_does_not_keep_a_token_for_longer_than_its_life() {
    let mut worker = worker(None);
    let (first, _) = worker.token("orders");
    worker.now.wall = Duration::from_secs(START - 100_000);
    assert_ne!(worker.token("orders").0, first);
}

#[test]
fn a_lone_key_gets_one_more_chance() {
    let mut worker = worker(None);
    assert_eq!(worker.signer.auth_retries(), 1);
    let (first, token_id) = worker.token("orders");
    worker.pass(5);
    assert!(worker.refused(token_id));
    assert_eq!(worker.signer.take_events(), [CredentialEvent::Refreshed]);
    let (fresh, again) = worker.token("orders");
    assert_ne!(fresh, first);
    assert!(!worker.refused(again));
    assert_eq!(worker.signer.take_events(), []);
    // A policy that is broken is not asked about three times for each message.
    let (_, next) = worker.token("orders");
    assert!(!worker.refused(next));
    worker.pass(10);
    let (_, later) = worker.token("orders");
    assert!(worker.refused(later));
}

#[test]
fn the_other_key_takes_over_and_stays() {
    let mut worker = worker(Some("second"));
    assert_eq!(worker.signer.auth_retries(), 2);
    let (token, one) = worker.token("orders");
    assert!(signed_by(&token, "first"));
    assert!(worker.refused(one));
    let (token, two) = worker.token("orders");
    assert!(signed_by(&token, "first"));
    assert!(worker.refused(two));
    let (token, _) = worker.token("orders");
    assert!(signed_by(&token, "second"));
    worker.accepted_for("orders");
    assert_eq!(
        worker.signer.take_events(),
        [CredentialEvent::Refreshed, CredentialEvent::KeySwitched { to: KeyRole::Secondary }]
    );
    worker.pass(3000);
    assert!(signed_by(&worker.token("orders").0, "second"));
    // Once the second is regenerated, the first gets its chance again.
    let (_, four) = worker.token("orders");
    assert!(worker.refused(four));
    let (_, five) = worker.token("orders");
    assert!(worker.refused(five));
    let (token, _) = worker.token("orders");
    assert!(signed_by(&token, "first"));
    worker.accepted_for("orders");
    assert_eq!(
        worker.signer.take_events(),
        [CredentialEvent::Refreshed, CredentialEvent::KeySwitched { to: KeyRole::Primary }]
    );
}

#[test]
fn entities_that_lose_a_key_together_switch_once() {
    let mut worker = worker(Some("second"));
    for _ in 0..2 {
        assert!(worker.refused_for("orders"));
        assert!(worker.refused_for("events"));
    }
    for entity in ["orders", "events"] {
        assert!(signed_by(&worker.token(entity).0, "second"), "{entity}");
        worker.accepted_for(entity);
    }
    let switched = CredentialEvent::KeySwitched { to: KeyRole::Secondary };
    let refreshed = CredentialEvent::Refreshed;
    assert_eq!(worker.signer.take_events(), [refreshed.clone(), refreshed, switched]);
    assert!(signed_by(&worker.token("others").0, "second"));
}

#[test]
fn an_entity_that_takes_no_key_leaves_the_others_theirs() {
    let mut worker = worker(Some("second"));
    worker.accepted_for("events");
    for entity in ["orders", "orders", "orders"] {
        assert!(signed_by(&worker.token("events").0, "first"));
        worker.refused_for(entity);
    }
    assert_eq!(worker.signer.take_events(), [CredentialEvent::Refreshed]);
    assert!(signed_by(&worker.token("events").0, "first"));
    // The same after a switch.
    for _ in 0..2 {
        assert!(worker.refused_for("events"));
    }
    worker.accepted_for("events");
    worker.pass(10);
    for _ in 0..3 {
        worker.refused_for("orders");
    }
    assert!(signed_by(&worker.token("events").0, "second"));
    assert!(signed_by(&worker.token("orders").0, "second"));
}

#[test]
fn an_entity_that_takes_no_key_holds_no_other_up() {
    let mut worker = worker(Some("second"));
    assert!(worker.refused_for("orders"));
    assert!(worker.refused_for("orders"));
    assert!(!worker.refused_for("orders"));
    assert!(!worker.refused_for("orders"), "it rests");
    assert!(worker.refused_for("events"));
    assert!(worker.refused_for("events"));
    worker.accepted_for("events");
    assert!(!worker.refused_for("orders"), "it rests on");
    worker.pass(10);
    assert!(worker.refused_for("orders"));
}

#[test]
fn messages_that_were_refused_together_renew_once() {
    let mut worker = worker(Some("second"));
    let (_, one) = worker.token("orders");
    assert!(worker.refused(one));
    let (fresh, two) = worker.token("orders");
    // The second message had been sent with the first token too.
    assert!(worker.refused(one));
    assert_eq!(worker.token("orders"), (fresh, two));
    worker.accepted_for("orders");
    assert_eq!(worker.signer.take_events(), [CredentialEvent::Refreshed]);
    // Accepted: the next refusal is the first again.
    assert!(worker.refused(two));
    assert!(signed_by(&worker.token("orders").0, "first"));
}

#[test]
fn tokens_are_made_for_the_brokers_clock() {
    let mut worker = worker(None);
    let (_, one) = worker.token("orders");
    // Two hours ahead: what we sign for an hour has ended before it comes.
    assert!(worker.refused_at(one, Some(START + 7200)));
    let ahead = CredentialEvent::ClockBehind { by: Duration::from_secs(7200) };
    assert_eq!(worker.signer.take_events(), [ahead, CredentialEvent::Refreshed]);
    let (token, _) = worker.token("orders");
    assert!(token.contains("se=1010800&"), "{token}");
    worker.accepted_for("orders");
    let (_, one) = worker.token("orders");
    // Behind us, or off by less than a minute: our own clock is the later one.
    assert!(worker.refused_at(one, Some(START - 7200)));
    assert!(worker.token("orders").0.contains("se=1003600&"));
}

#[test]
fn a_clock_that_is_set_right_is_told() {
    let mut worker = worker(None);
    let told = |worker: &mut Worker| {
        let events = worker.signer.take_events().into_iter();
        let by = events.filter_map(|event| match event {
            CredentialEvent::ClockBehind { by } => Some(by.as_secs()),
            _ => None,
        });
        by.collect::<Vec<_>>()
    };
    worker.accepted_at("orders", Some(START + 7200));
    assert_eq!(told(&mut worker), [0; 0], "a token that is accepted is good enough");
    let (_, token_id) = worker.token("orders");
    assert!(worker.refused_at(token_id, Some(START + 7200)));
    assert_eq!(told(&mut worker), [7200]);
    for (ahead, expected) in [(7201, &[][..]), (3600, &[3600]), (3630, &[]), (30, &[0]), (90, &[])]
    {
        worker.accepted_at("orders", Some(START + ahead));
        assert_eq!(told(&mut worker), expected, "{ahead}");
    }
}

#[test]
fn others_sign() {
    let memory = Memory::default();
    let now = at(START);
    let signature = Rc::new(Secret::new("SharedAccessSignature x".to_owned()));
    let mut signer = Signer::new(&Credentials::Signature(signature), "ns");
    let Access::Token { value, token_id } = signer.access("orders", None, now, &memory) else {
        panic!("no token")
    };
    assert_eq!(&*value, "SharedAccessSignature x");
    assert!(!signer.refused("orders", token_id, None, now, &memory));
    let mut signer = Signer::new(&Credentials::Upstream, "ns");
    assert!(matches!(signer.access("orders", None, now, &memory), Access::Unsigned));
    assert_eq!((signer.auth_retries(), signer.wake(now)), (0, None));
}
