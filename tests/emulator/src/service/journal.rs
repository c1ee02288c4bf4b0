//! The latest requests, for those who ask what was sent and what became of it.

use std::collections::VecDeque;

use crate::broker::{Form, Timestamp};
use crate::http::Head;

/// How many requests are kept. The headers of a stored message live as long as its request here.
const CAPACITY: usize = 4096;

/// A request with what became of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When it was done with.
    pub at: Timestamp,
    /// What was asked.
    pub head: Head,
    /// The status that was answered, if any was.
    pub status: Option<u16>,
    /// What became of it.
    pub verdict: String,
    /// The form of a send.
    pub form: Option<Form>,
}

/// The latest requests.
#[derive(Debug, Default)]
pub struct Journal {
    entries: VecDeque<Entry>,
    hidden: usize,
}

impl Journal {
    /// Notes a request.
    pub fn note(&mut self, entry: Entry) {
        if self.entries.len() == CAPACITY {
            self.entries.pop_front();
            self.hidden = self.hidden.saturating_sub(1);
        }
        self.entries.push_back(entry);
    }

    /// The latest `limit` requests, oldest first.
    pub fn latest(&self, limit: usize) -> impl Iterator<Item = &Entry> {
        let shown = self.entries.len() - self.hidden;
        self.entries.iter().skip(self.hidden + shown.saturating_sub(limit))
    }

    /// Hides what is there so far. It is not forgotten: messages still show their headers.
    pub fn hide(&mut self) {
        self.hidden = self.entries.len();
    }
}
