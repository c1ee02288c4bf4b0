//! What arrives at the emulator as a message, single or batch.

use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use service_bus_emulator::http::Headers;
use service_bus_emulator::wire::{self, BATCH_TYPE, Tier};

#[derive(Debug, Arbitrary)]
struct Send {
    is_batch: bool,
    broker_properties: Option<Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// It is taken or refused; what is taken is within the limits.
pub fn run(bytes: &[u8]) {
    let Ok(send) = Send::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let mut headers: Vec<(&str, &[u8])> =
        send.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    headers.extend(send.broker_properties.as_deref().map(|value| ("BrokerProperties", value)));
    if send.is_batch {
        headers.push(("content-type", BATCH_TYPE.as_bytes()));
    }
    let headers = Arc::new(Headers::new(headers));
    let size = send.body.len();
    match wire::parse(&headers, &Bytes::from(send.body), Tier::Standard) {
        Ok(messages) => {
            assert!(!messages.is_empty() && size <= Tier::Standard.max_message_bytes());
            for message in messages {
                assert!(message.broker.message_id.chars().count() <= 128);
            }
        }
        Err(refusal) => assert!((400..500).contains(&refusal.status), "{refusal:?}"),
    }
}
