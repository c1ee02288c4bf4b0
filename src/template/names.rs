//! What expressions may name, which depends on where they stand.

use std::cell::{Cell, RefCell};

use super::path::{Collection, Path};
use crate::http::HeaderNames;

/// The names of one place, and what the expressions there turn out to need.
#[derive(Debug, Default)]
pub struct Names {
    /// Captures of the route's path template; `None`, when they are not known, allows any.
    pub captures: Option<Vec<String>>,
    /// Whether the request's body is there.
    pub body: bool,
    /// Whether the answer of a lookup is there.
    pub lookup: bool,
    /// Whether the message is there.
    pub message: bool,
    needs: Cell<Needs>,
    headers: RefCell<HeaderNames>,
}

/// What the host is asked for only when an expression uses it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Claims of a JSON web token.
    pub jwt: bool,
    /// The client's address.
    pub source_address: bool,
}

impl Names {
    /// The names of a route with these captures.
    pub fn new(captures: Option<Vec<String>>, body: bool, lookup: bool) -> Self {
        Self { captures, body, lookup, ..Self::default() }
    }

    /// The same, after the message was made.
    #[must_use]
    pub fn with_message(self) -> Self {
        Self { message: true, ..self }
    }

    /// What the expressions compiled so far need.
    pub fn needs(&self) -> Needs {
        self.needs.get()
    }

    /// The headers of the request that the expressions compiled so far read.
    pub fn headers(&self) -> HeaderNames {
        self.headers.borrow().clone()
    }

    /// Adds what expressions elsewhere in the route need and read.
    pub fn add(&self, other: &Self) {
        let read = other.headers();
        self.headers.borrow_mut().extend(&read);
        let (own, needs) = (self.needs.get(), other.needs.get());
        self.needs.set(Needs {
            jwt: own.jwt || needs.jwt,
            source_address: own.source_address || needs.source_address,
        });
    }

    /// An expression reads a value.
    pub(super) fn read(&self, path: &Path) {
        if let Some(name) = path.header() {
            self.headers.borrow_mut().add(name);
        }
    }

    /// An expression reads a map whole, or by a key that is computed.
    pub(super) fn read_map(&self, collection: Collection) {
        if collection == Collection::Headers {
            self.headers.borrow_mut().add_all();
        }
    }

    pub(super) fn need_jwt(&self) {
        self.needs.set(Needs { jwt: true, ..self.needs.get() });
    }

    pub(super) fn need_source_address(&self) {
        self.needs.set(Needs { source_address: true, ..self.needs.get() });
    }
}
