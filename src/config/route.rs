//! The `routes` section: which requests, what is sent or looked up, what is answered.

use crate::reply::ReplyConfig;
use crate::route::{Action, DryRun, Route};
use std::collections::BTreeSet;
use std::rc::Rc;

use super::destination::General;
use super::dry_run;
use super::fallback;
use super::forward;
use super::lookup;
use super::matches::{read_match, read_name};
use super::node::Node;
use super::reply;
use super::send;
use crate::delivery::HeaderMode;
use crate::http::HeaderNames;
use crate::message::READ_HEADERS;
use crate::route::{Match, PathMatch, Segment};
use crate::template::Names;

pub(super) fn read_all(
    node: &Node<'_>,
    general: &General<'_>,
    mode: HeaderMode,
) -> Option<Vec<Route>> {
    let nodes = read_list(node)?;
    let mut names = BTreeSet::new();
    let mut routes = Vec::with_capacity(nodes.len());
    for node in &nodes {
        routes.push(read(node, &mut names, general, mode));
    }
    routes.into_iter().collect()
}

/// What a gate passes over.
const NOT_FOR_GATES: [&str; 7] =
    ["name", "reply", "fallback", "dry_run", "namespace", "cluster", "credentials"];

/// Only what a gate needs: the conditions, in the order of the routes.
pub(super) fn read_matches(node: &Node<'_>) -> Option<Vec<Match>> {
    let read = |node: &Node<'_>| {
        let mut fields = node.fields()?;
        for key in NOT_FOR_GATES {
            fields.optional(key);
        }
        if let Some(node) = fields.optional("forward") {
            node.error(
                "a gate cannot be woken: `forward` needs envoy.filters.http.buffer in its place",
            );
        }
        fields.optional("send");
        let default = default_method(fields.optional("lookup").is_some());
        let matches = fields.required("match").and_then(|node| read_match(&node, default));
        fields.finish();
        matches
    };
    let matches: Vec<_> = read_list(node)?.iter().map(read).collect();
    matches.into_iter().collect()
}

/// The method of a route that names none: a probe, a preflight or a crawler must not become a
/// message.
const fn default_method(looks_up: bool) -> &'static str {
    if looks_up { "GET" } else { "POST" }
}

fn read_list<'a>(node: &Node<'a>) -> Option<Vec<Node<'a>>> {
    let nodes = node.list()?;
    if nodes.is_empty() {
        node.error("expected at least one route");
        return None;
    }
    Some(nodes)
}

fn read<'a>(
    node: &Node<'a>,
    taken: &mut BTreeSet<&'a str>,
    general: &General<'_>,
    mode: HeaderMode,
) -> Option<Route> {
    let mut fields = node.fields()?;
    let name = fields.required("name").and_then(|node| read_name(&node, taken));
    let matches = fields.required("match");
    let send = fields.optional("send");
    let lookup = fields.optional("lookup");
    let default = default_method(lookup.is_some());
    let matches = matches.and_then(|node| read_match(&node, default));
    let captures = matches.as_ref().map(captures);
    let names = Names::new(captures.clone(), lookup.is_none(), lookup.is_some());
    let destination = general.read_override(&mut fields, lookup.is_some());
    let fallback = fields.optional("fallback");
    let dry_run = fields.optional("dry_run");
    if let (Some(node), Some(_)) = (&dry_run, &lookup) {
        node.error("does not go with a lookup");
    }
    let dry_run =
        dry_run.map_or(Some(None), |node| dry_run::read(&node, general.environment()).map(Some));
    let mut second = None;
    let action = match (send, lookup) {
        (Some(send), None) => {
            let only = destination.as_ref().and_then(|destination| destination.only_entity());
            let send = send::read(&send, &names, only);
            send.zip(destination).and_then(|(send, destination)| {
                if let Some(node) = fallback {
                    let environment = general.environment();
                    let read = fallback::read(&node, &destination, &send.entity, environment)?;
                    second = Some(Rc::new(read));
                }
                Some(Action::Send(Box::new(send), destination))
            })
        }
        (None, Some(lookup)) => {
            if let Some(node) = fallback {
                node.error("does not go with a lookup");
            }
            let path_names = Names::new(captures.clone(), false, false);
            let lookup = lookup::read(&lookup, &path_names);
            names.add(&path_names);
            lookup.map(Action::Lookup)
        }
        _ => {
            fields.error("expected exactly one of send, lookup");
            None
        }
    };
    let forward = match (fields.optional("forward"), &action) {
        (None, _) => Some(None),
        (Some(node), Some(Action::Lookup(_))) => {
            node.error("does not go with a lookup");
            None
        }
        (Some(node), _) => {
            // With continue it is made before there is a body and a message.
            let own = match mode {
                HeaderMode::Continue => Names::new(captures, false, false),
                HeaderMode::Pause => Names::new(captures, true, false).with_message(),
            };
            let forward = forward::read(&node, &own, mode);
            names.add(&own);
            forward.map(Some)
        }
    };
    let reply = match fields.optional("reply") {
        Some(node) => {
            let reply = reply::read(&node, &names);
            let answers = reply.as_ref().is_some_and(ReplyConfig::answers_success);
            if answers && !matches!(forward, Some(None)) {
                node.error(
                    "with `forward` the client gets the backend's answer: only `failures` fits here",
                );
            }
            reply
        }
        None => Some(ReplyConfig::default()),
    };
    fields.finish();
    let (action, dry_run) = (action?, dry_run?);
    Some(Route {
        name: name?.to_owned(),
        matches: matches?,
        headers: headers(&names, &action, dry_run.as_ref()),
        action,
        fallback: second,
        forward: forward?,
        reply: reply?,
        dry_run,
        needs: names.needs(),
    })
}

/// The headers that expressions read, and those that become part of a message.
fn headers(names: &Names, action: &Action, dry_run: Option<&DryRun>) -> HeaderNames {
    let mut headers = names.headers();
    if let Action::Send(send, _) = action {
        READ_HEADERS.iter().for_each(|name| headers.add(name));
        send.forward_headers.iter().for_each(|forwarded| headers.add(&forwarded.header));
    }
    if let Some(DryRun::Guarded { header, .. }) = dry_run {
        headers.add(header);
    }
    headers
}

fn captures(matches: &Match) -> Vec<String> {
    let PathMatch::Template(segments) = &matches.path else { return vec![] };
    let capture = |segment: &Segment| match segment {
        Segment::Capture(name) => Some(name.clone()),
        Segment::Literal(_) => None,
    };
    segments.iter().filter_map(capture).collect()
}
