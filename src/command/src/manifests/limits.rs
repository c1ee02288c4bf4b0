//! Numbers that bound what Envoy holds or allows.

use std::rc::Rc;

use crate::text::Position;
use crate::yaml::Node;

/// A bound that a file sets.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) file: Rc<str>,
    pub(crate) at: Position,
    /// Its name in the file.
    pub(crate) place: &'static str,
    /// Envoy's name for it.
    pub(crate) kind: &'static str,
    pub(crate) value: u64,
}

/// What Envoy buffers unless it is told otherwise.
const DEFAULT_BUFFER: u64 = 1 << 20;

impl Limit {
    /// The limit that a member sets.
    pub(crate) fn read(file: &Rc<str>, node: &Node, place: &'static str) -> Option<Self> {
        Self::read_as(file, node, place, place)
    }

    /// The limit that a member sets which has another name than Envoy's.
    pub(super) fn read_as(
        file: &Rc<str>,
        node: &Node,
        place: &'static str,
        kind: &'static str,
    ) -> Option<Self> {
        let (key, value) = node.member(place)?;
        let value = quantity(value.str()?)?;
        Some(Self { file: Rc::clone(file), at: key.at, place, kind, value })
    }
}

/// What a listener and its connection manager buffer of a body.
pub(super) fn buffers(
    file: &Rc<str>,
    listener: Option<&Node>,
    manager: Option<&Node>,
) -> (Option<Limit>, Option<Limit>) {
    const PLACE: &str = "per_connection_buffer_limit_bytes";
    let of_listener = listener.map(|node| {
        let (file_, at) = (Rc::clone(file), node.at);
        let default = Limit { file: file_, at, place: PLACE, kind: PLACE, value: DEFAULT_BUFFER };
        Limit::read(file, node, PLACE).unwrap_or(default)
    });
    let http2 = manager.and_then(|node| node.get("http2_protocol_options"));
    let window = http2.and_then(|node| Limit::read(file, node, "initial_stream_window_size"));
    (of_listener, window)
}

/// A number as it is, or as Kubernetes writes it.
fn quantity(text: &str) -> Option<u64> {
    let units = [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("k", 1_000), ("M", 1_000_000)];
    let unit = units.into_iter().find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)));
    let (digits, size) = unit.unwrap_or((text, 1));
    digits.parse::<u64>().ok()?.checked_mul(size)
}
