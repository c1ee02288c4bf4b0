//! Workers that fetch tokens, and the service that they ask.

use std::rc::Rc;
use std::time::Duration;

use envoy_service_bus::credentials::{
    Access, CredentialEvent, Credentials, Identity, Signer, TokenId, TokenRequest, TokenService,
};
use envoy_service_bus::http::{Callout, Response};

use super::START;
use super::shared::Memory;
use envoy_service_bus::time::Time;

/// One worker's signer of fetched tokens.
pub(crate) struct Worker {
    pub(crate) signer: Signer,
    pub(crate) now: Time,
    pub(crate) memory: Rc<Memory>,
}

/// What a send gets.
#[derive(Debug, PartialEq)]
pub(crate) enum Got {
    Token(String, TokenId),
    Unavailable(String),
    Unsigned,
    Wait,
}

pub(crate) fn service() -> TokenService {
    TokenService {
        cluster: "imds".to_owned(),
        authority: "169.254.169.254".to_owned(),
        audience: "https://servicebus.azure.net".to_owned(),
    }
}

impl Worker {
    pub(crate) fn new(memory: &Rc<Memory>) -> Self {
        let request = TokenRequest::imds(service(), &Identity::System);
        let credentials = Credentials::Fetched(Rc::new(request));
        Self {
            signer: Signer::new(&credentials, "contoso.servicebus.windows.net"),
            now: START,
            memory: Rc::clone(memory),
        }
    }

    pub(crate) fn access(&mut self) -> Got {
        self.access_after(None)
    }

    /// What a send gets whose last token was refused.
    pub(crate) fn access_after(&mut self, refused: Option<TokenId>) -> Got {
        match self.signer.access("orders", refused, self.now, self.memory.as_ref()) {
            Access::Unsigned => Got::Unsigned,
            Access::Wait => Got::Wait,
            Access::Token { value, token_id } => Got::Token(value.to_string(), token_id),
            Access::Unavailable { cause } => Got::Unavailable(cause),
        }
    }

    pub(crate) fn token(&mut self) -> (String, TokenId) {
        match self.access() {
            Got::Token(value, token_id) => (value, token_id),
            other => panic!("no token: {other:?}"),
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Callout> {
        self.signer.poll(self.now, 500, self.memory.as_ref())
    }

    pub(crate) fn fetched(&mut self, answer: &Response) {
        self.signer.fetched(answer, self.now, 500, self.memory.as_ref());
    }

    pub(crate) fn refused(&mut self, token_id: TokenId) -> bool {
        self.signer.refused("orders", token_id, None, self.now, self.memory.as_ref())
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Lets time pass until the signer wants to be polled; the callout that it then makes.
    pub(crate) fn wait(&mut self) -> Option<Callout> {
        self.now += self.signer.wake(self.now).unwrap();
        self.poll()
    }

    pub(crate) fn events(&mut self) -> Vec<CredentialEvent> {
        self.signer.take_events()
    }
}

/// What the token service itself answers.
pub(crate) fn says(status: &str, body: &str) -> Response {
    let headers = [(":status", status), ("x-envoy-upstream-service-time", "1")];
    Response { headers: headers.into_iter().collect(), body: body.as_bytes().to_vec() }
}

/// A token as IMDS gives it: all numbers are texts.
pub(crate) fn grant(token: &str, at: Duration, life: u64) -> Response {
    let expires_on = at.as_secs() + life;
    says(
        "200",
        &format!(
            r#"{{"access_token":"{token}","expires_in":"{life}","expires_on":"{expires_on}","not_before":"{}","resource":"https://servicebus.azure.net","token_type":"Bearer","refresh_token":""}}"#,
            at.as_secs()
        ),
    )
}
