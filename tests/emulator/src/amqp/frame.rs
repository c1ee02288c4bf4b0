//! Frames: cut out of what arrives, and built.

use bytes::{Buf, Bytes, BytesMut};

use super::codec::{Value, encode};

/// The largest frame that is taken.
pub const MAX_FRAME: u32 = 64 * 1024;

/// What every peer takes before it says how much.
pub const MIN_MAX_FRAME: u32 = 512;

const HEADER: usize = 8;

/// What a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sessions and links.
    Amqp,
    /// Authentication.
    Sasl,
}

/// A frame without its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it belongs to.
    pub kind: Kind,
    /// The channel of the session.
    pub channel: u16,
    /// A performative and what follows it; empty in a heartbeat.
    pub body: Bytes,
}

/// Why there is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramingError(pub &'static str);

/// What has arrived and was not read yet.
#[derive(Debug, Default)]
pub struct Inbox(BytesMut);

impl Inbox {
    /// Adds bytes from the network.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// How many bytes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none wait.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a protocol header: `AMQP` with four numbers.
    pub fn header(&mut self) -> Option<[u8; HEADER]> {
        let header = *self.0.first_chunk()?;
        self.0.advance(HEADER);
        Some(header)
    }

    /// Takes a frame if one is complete.
    ///
    /// # Errors
    /// The bytes cannot be the start of a frame.
    pub fn frame(&mut self) -> Result<Option<Frame>, FramingError> {
        let Some([s0, s1, s2, s3, offset, kind, c0, c1]) = self.0.first_chunk::<HEADER>().copied()
        else {
            return Ok(None);
        };
        let size = u32::from_be_bytes([s0, s1, s2, s3]);
        let start = usize::from(offset) * 4;
        let kind = match kind {
            0 => Kind::Amqp,
            1 => Kind::Sasl,
            _ => return Err(FramingError("there is no such type of frame")),
        };
        if size > MAX_FRAME {
            return Err(FramingError("the frame is larger than max-frame-size"));
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if start < HEADER || size < start {
            return Err(FramingError("the data offset is wrong"));
        }
        if self.0.len() < size {
            return Ok(None);
        }
        let mut body = self.0.split_to(size).freeze();
        body.advance(start);
        Ok(Some(Frame { kind, channel: u16::from_be_bytes([c0, c1]), body }))
    }
}

/// Appends a frame of a performative and a payload.
pub fn append(out: &mut Vec<u8>, kind: Kind, channel: u16, performative: &Value, payload: &[u8]) {
    let start = out.len();
    let kind = u8::from(kind == Kind::Sasl);
    out.extend([0, 0, 0, 0, 2, kind]);
    out.extend(channel.to_be_bytes());
    encode(performative, out);
    out.extend_from_slice(payload);
    finish(out, start);
}

/// Appends a frame without content, which says that this end is alive.
pub fn append_heartbeat(out: &mut Vec<u8>) {
    out.extend([0, 0, 0, 8, 2, 0, 0, 0]);
}

fn finish(out: &mut [u8], start: usize) {
    let size = u32::try_from(out.len() - start).unwrap_or(u32::MAX).to_be_bytes();
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_when_it_is_whole() {
        let mut bytes = Vec::new();
        append(&mut bytes, Kind::Amqp, 7, &Value::described_list(0x18, vec![]), b"payload");
        append_heartbeat(&mut bytes);
        let mut inbox = Inbox::default();
        let mut frames = Vec::new();
        for byte in bytes {
            inbox.push(&[byte]);
            frames.extend(inbox.frame().unwrap());
        }
        let [first, second] = frames.as_slice() else { panic!("{frames:?}") };
        assert_eq!((first.kind, first.channel), (Kind::Amqp, 7));
        assert_eq!(&*first.body, b"\x00\x53\x18\x45payload");
        assert_eq!((second.channel, second.body.len()), (0, 0));
    }

    #[test]
    fn what_cannot_be_a_frame_is_refused_at_once() {
        for (bytes, reason) in [
            ([0, 1, 0, 1, 2, 0, 0, 0], "the frame is larger than max-frame-size"),
            ([0, 0, 0, 7, 2, 0, 0, 0], "the data offset is wrong"),
            ([0, 0, 0, 8, 1, 0, 0, 0], "the data offset is wrong"),
            ([0, 0, 0, 8, 3, 0, 0, 0], "the data offset is wrong"),
            ([0, 0, 0, 8, 2, 2, 0, 0], "there is no such type of frame"),
        ] {
            let mut inbox = Inbox::default();
            inbox.push(&bytes);
            assert_eq!(inbox.frame(), Err(FramingError(reason)), "{bytes:?}");
        }
    }
}
