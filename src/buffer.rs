//! What one worker holds in memory, and a bound for it.

use std::cell::Cell;
use std::rc::Rc;

/// Bytes of requests and messages that one worker holds.
#[derive(Debug)]
pub struct Buffer {
    limit: usize,
    held: Cell<usize>,
}

/// A part of a buffer, given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    buffer: Rc<Buffer>,
    bytes: usize,
}

impl Buffer {
    /// A buffer that holds nothing yet.
    pub fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self { limit, held: Cell::new(0) })
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.held.get()
    }

    /// A share of so many bytes, `None` when they do not fit.
    pub fn reserve(self: &Rc<Self>, bytes: usize) -> Option<Share> {
        let mut share = Share { buffer: Rc::clone(self), bytes: 0 };
        share.resize(bytes).then_some(share)
    }
}

impl Share {
    /// Its bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes it larger or smaller. False, and nothing changes, when that does not fit.
    #[must_use]
    pub fn resize(&mut self, bytes: usize) -> bool {
        let others = self.buffer.held.get().saturating_sub(self.bytes);
        let held = others.saturating_add(bytes);
        if bytes > self.bytes && held > self.buffer.limit {
            return false;
        }
        self.buffer.held.set(held);
        self.bytes = bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.buffer.held.set(self.buffer.held.get().saturating_sub(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_changes_nothing() {
        let buffer = Buffer::new(100);
        let mut share = buffer.reserve(60).unwrap();
        assert!(buffer.reserve(41).is_none());
        let other = buffer.reserve(40).unwrap();
        assert!(!share.resize(61));
        assert_eq!((share.bytes(), buffer.held()), (60, 100));
        drop(other);
        assert!(share.resize(100) && share.resize(10));
        assert_eq!(buffer.held(), 10);
        drop(share);
        assert_eq!(buffer.held(), 0);
    }
}
