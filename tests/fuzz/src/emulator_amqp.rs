//! AMQP frames and values.

use service_bus_emulator::amqp::codec::{decode, encode};
use service_bus_emulator::amqp::frame::Inbox;

/// A value that is read is written so that it reads the same; frames are read or refused.
pub fn run(bytes: &[u8]) {
    if let Ok((value, taken)) = decode(bytes) {
        assert!(taken <= bytes.len());
        let mut written = vec![];
        encode(&value, &mut written);
        let (again, _) = decode(&written).expect("what was written can be read");
        assert_eq!(again, value);
    }
    let mut frames = Inbox::default();
    frames.push(bytes);
    while let Ok(Some(_)) = frames.frame() {}
}
