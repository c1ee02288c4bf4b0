//! From a complete request to what is handed to delivery.

use std::rc::Rc;

use super::forwarding::{self, Ready};
use super::replies::missing;
use super::request::Request;
use crate::delivery::LookupRequest;
use crate::delivery::Sender;
use crate::limits;
use crate::message::{Entity, Payload, Send};
use crate::message::{Outgoing, Unsendable, ValueFault, compose};
use crate::reply;
use crate::route::{Lookup, Route};
use crate::template::Random;

/// The message, and what follows when it is accepted: what cannot be said then must not be found
/// out when the message is stored.
pub(super) fn message(
    request: &Request,
    sender: &Sender,
    route: &Route,
    (send, body): (&Send, Vec<u8>),
    random: Random,
) -> Result<(Rc<Entity>, Outgoing, Ready), Unsendable> {
    let mut scope = request.scope(&route.name, random);
    scope.body = &body;
    let (entity, mut message) = compose(send, &scope)?;
    let ready = match &route.forward {
        None => Ready::Reply(reply::accepted(&route.reply, &scope)?),
        Some(forward) if forward.early => Ready::Forward(vec![]),
        Some(forward) => {
            scope.message_id = Some(&message.broker.message_id);
            Ready::Forward(forwarding::headers(forward, &scope)?)
        }
    };
    drop(scope);
    if matches!(send.payload, Payload::Body) {
        message.body = body;
    }
    let limit = limits::message_bytes(sender.max_body_bytes);
    let message = match sender.delivery.batch {
        Some(_) => Outgoing::for_batch(message, limit),
        None => Outgoing::new(message, limit),
    };
    Ok((entity, message?, ready))
}

/// What is asked of another cluster.
pub(super) fn inquiry(
    request: &Request,
    route: &Route,
    lookup: &Lookup,
    random: Random,
) -> Result<LookupRequest, Unsendable> {
    const PLACE: &str = "lookup.path";
    let scope = request.scope(&route.name, random);
    let eval = |error| Unsendable::Value(PLACE.to_owned(), ValueFault::Eval(error));
    let path = lookup.path.path(&scope).map_err(eval)?.ok_or_else(|| missing(PLACE))?;
    Ok(LookupRequest {
        cluster: Rc::clone(&lookup.cluster),
        authority: Rc::clone(&lookup.authority),
        path,
        timeout: lookup.timeout,
    })
}
