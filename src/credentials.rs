//! Who signs a message.

mod bearer;
mod connection_string;
mod event;
mod sas;
mod secret;
mod shared_token;
mod signatures;
mod signer;
mod token_answer;
mod token_request;

use std::rc::Rc;

pub use connection_string::{ConnectionString, ConnectionStringError, Endpoint};
pub use event::{CredentialEvent, KeyRole};
pub use sas::{AccessKey, SasKeys, Token};
pub use secret::Secret;
pub use signer::{Access, Signer, TokenId};
pub use token_request::{AUDIENCE, Identity, TokenRequest, TokenService};

/// Where the `authorization` header of a send comes from.
#[derive(Debug)]
pub enum Credentials {
    /// A token service gives it: managed identity, or client secret.
    Fetched(Rc<TokenRequest>),
    /// It is signed here.
    Sas(Rc<SasKeys>),
    /// It was signed elsewhere, and is sent as it is.
    Signature(Rc<Secret>),
    /// Envoy signs on the cluster.
    Upstream,
}
