//! The `fallback` of a route: where its messages go when they cannot go where they should.

use crate::message::EntityConfig;
use crate::route::{Destination, Fallback};
use std::rc::Rc;

use super::credentials::Environment;
use super::node::Node;
use super::send::read_entity_path;

/// Reads the fallback of a route that sends to `entity` at `destination`; what it leaves out is
/// the route's.
pub(super) fn read(
    node: &Node<'_>,
    destination: &Rc<Destination>,
    entity: &EntityConfig,
    environment: Environment<'_>,
) -> Option<Fallback> {
    let mut fields = node.fields()?;
    let second = destination.read_override(&mut fields, environment);
    let queue = fields.optional("queue");
    let topic = fields.optional("topic");
    let allow_duplicates =
        fields.optional("allow_duplicates").map_or(Some(false), |node| node.boolean());
    fields.finish();
    let second = second?;
    let named = match (queue, topic) {
        (None, None) => None,
        (Some(node), None) | (None, Some(node)) => {
            let path = read_entity_path(&node, node.text()?, second.only_entity())?;
            Some(Rc::new(path))
        }
        _ => {
            node.error("expected at most one of queue, topic");
            return None;
        }
    };
    if named.is_none()
        && let Some(only) = second.only_entity()
        && !entity.all().iter().all(|entity| entity.path.eq_ignore_ascii_case(only))
    {
        node.error(format!("the connection string opens {only:?} only"));
        return None;
    }
    let elsewhere = second.namespace != destination.namespace
        || second.cluster != destination.cluster
        || named.as_ref().is_some_and(|named| entity.all().iter().all(|one| one != named));
    if !elsewhere {
        node.error("leads where the route leads itself: name another namespace, cluster or entity");
        return None;
    }
    Some(Fallback { destination: second, entity: named, allow_duplicates: allow_duplicates? })
}
