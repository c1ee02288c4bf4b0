//! The `reply` section of a route: what the client is told.

use crate::reply::{FailureReply, ReplyConfig};
use std::collections::BTreeSet;

use super::node::Node;
use super::template::{read_template, read_tree};
use crate::outcome::Reason;
use crate::template::{Names, Template};
use crate::text::{is_token, is_visible_ascii};

/// Headers that say how the answer is framed, or that are ours to set.
const OWN_HEADERS: [&str; 7] = [
    "connection",
    "content-length",
    "keep-alive",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-tracking-id",
];

pub(super) fn read(node: &Node<'_>, names: &Names) -> Option<ReplyConfig> {
    let mut fields = node.fields()?;
    let status = fields.optional("status").map_or(Some(None), |node| read_status(&node, 200..=299));
    let headers =
        fields.optional("headers").map_or(Some(vec![]), |node| read_headers(&node, names));
    let body = fields.optional("body").map_or(Some(None), |node| read_tree(&node, names).map(Some));
    let failures =
        fields.optional("failures").map_or(Some(vec![]), |node| read_failures(&node, names));
    fields.finish();
    Some(ReplyConfig { status: status?, headers: headers?, body: body?, failures: failures? })
}

fn read_status(node: &Node<'_>, range: std::ops::RangeInclusive<u64>) -> Option<Option<u16>> {
    u16::try_from(node.integer(range)?).ok().map(Some)
}

fn read_headers(node: &Node<'_>, names: &Names) -> Option<Vec<(String, Template)>> {
    read_set_headers(node, names, &OWN_HEADERS, "cannot be set as a header of a reply")
}

/// Headers that are set, each once; of some it is said why they cannot be.
pub(super) fn read_set_headers(
    node: &Node<'_>,
    names: &Names,
    not_set: &[&str],
    refusal: &str,
) -> Option<Vec<(String, Template)>> {
    let mut seen = BTreeSet::new();
    let mut read = |(name, node): (&str, Node<'_>)| {
        let name = name.to_ascii_lowercase();
        if !is_token(&name) || not_set.contains(&name.as_str()) {
            node.error(refusal);
            return None;
        }
        if !seen.insert(name.clone()) {
            node.error("the header stands here a second time");
            return None;
        }
        let value = read_template(&node, names)?;
        if value.literal().is_some_and(|text| !is_visible_ascii(text)) {
            node.expected("visible ASCII characters");
            return None;
        }
        Some((name, value))
    };
    let headers: Vec<_> = node.members()?.into_iter().map(&mut read).collect();
    headers.into_iter().collect()
}

fn read_failures(node: &Node<'_>, names: &Names) -> Option<Vec<(Reason, FailureReply)>> {
    // A failure may come before the body, and before the answer of a lookup.
    let early = Names::new(names.captures.clone(), false, false);
    let read = |(word, node): (&str, Node<'_>)| {
        let Some(reason) = Reason::ALL.into_iter().find(|reason| reason.as_str() == word) else {
            let words = Reason::ALL.map(Reason::as_str).join(", ");
            node.error(format!("unknown reason, expected one of {words}"));
            return None;
        };
        let mut fields = node.fields()?;
        let status =
            fields.optional("status").map_or(Some(None), |node| read_status(&node, 400..=599));
        let headers =
            fields.optional("headers").map_or(Some(vec![]), |node| read_headers(&node, &early));
        let body =
            fields.optional("body").map_or(Some(None), |node| read_tree(&node, &early).map(Some));
        fields.finish();
        Some((reason, FailureReply { status: status?, headers: headers?, body: body? }))
    };
    let failures: Vec<_> = node.members()?.into_iter().map(read).collect();
    names.add(&early);
    failures.into_iter().collect()
}
