//! A Service Bus queue over HTTP: receive under a lock, settle.

use std::fmt;
use std::time::{Duration, SystemTime, SystemTimeError, UNIX_EPOCH};

use bytes::Bytes;
use envoy_service_bus::credentials::{
    AccessKey, ConnectionString, ConnectionStringError, Endpoint,
};
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// The largest message of the Standard tier over HTTP.
const MAX_BODY: usize = 256 * 1024;
const TOKEN_TTL: Duration = Duration::from_secs(3600);
/// What a request may take beyond the time that it asks the broker to wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// A segment of a path; `$` stands in `$DeadLetterQueue`.
const NOT_IN_SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'$');

/// A queue that is received from.
#[derive(Clone)]
pub struct Queue {
    client: Client<HttpConnector, Empty<Bytes>>,
    /// Where the namespace is reached.
    origin: String,
    /// The namespace's host, which is asked for and signed.
    host: String,
    /// The queue's path, percent-encoded.
    path: String,
    key: AccessKey,
}

/// A message, received under a lock.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// `MessageId`.
    pub message_id: String,
    /// How often it has been delivered, this time included.
    pub delivery_count: u32,
    /// What it holds.
    pub body: Bytes,
    /// The lock.
    pub lock: Lock,
}

/// The right to settle a message, for a while.
#[derive(Clone, Debug)]
pub struct Lock {
    /// The lock's own id.
    pub token: String,
    /// How long it was held when it was given.
    pub held: Duration,
    path: String,
}

/// Why a queue cannot be used.
#[derive(Debug)]
pub enum QueueError {
    /// The connection string is none.
    ConnectionString(ConnectionStringError),
    /// The connection string holds a signature instead of a key.
    NoKey,
    /// There is no plain HTTP URL to send to.
    NotHttp,
    /// The connection failed.
    Connection(hyper_util::client::legacy::Error),
    /// The answer did not come whole.
    Body(Box<dyn std::error::Error + Send + Sync>),
    /// No answer came in time.
    Timeout,
    /// The request could not be made.
    Request(http::Error),
    /// The clock stands before 1970.
    Clock(SystemTimeError),
    /// The broker refused.
    Refused(StatusCode),
    /// The broker's answer lacks what belongs there.
    Answer(&'static str),
}

impl fmt::Display for QueueError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionString(error) => write!(formatter, "connection string: {error}"),
            Self::NoKey => formatter.write_str("connection string: SharedAccessKey is missing"),
            Self::NotHttp => formatter.write_str("expected a URL such as http://127.0.0.1:5380"),
            Self::Connection(error) => write!(formatter, "cannot reach Service Bus: {error}"),
            Self::Body(error) => write!(formatter, "the answer broke off: {error}"),
            Self::Timeout => formatter.write_str("Service Bus does not answer"),
            Self::Request(error) => write!(formatter, "cannot ask Service Bus: {error}"),
            Self::Clock(error) => write!(formatter, "cannot sign: {error}"),
            Self::Refused(status) => write!(formatter, "Service Bus answered {status}"),
            Self::Answer(what) => write!(formatter, "Service Bus answered without {what}"),
        }
    }
}

impl std::error::Error for QueueError {}

/// What the worker reads of a received message's broker properties.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BrokerProperties {
    message_id: String,
    delivery_count: u32,
    lock_token: String,
    locked_until_utc: String,
}

impl Queue {
    /// A queue of the namespace that `connection_string` names, reached at `origin`: a plain HTTP
    /// URL without a path.
    ///
    /// # Errors
    /// One of the texts cannot be used.
    pub fn new(origin: &str, connection_string: &str, name: &str) -> Result<Self, QueueError> {
        let parsed =
            ConnectionString::parse(connection_string).map_err(QueueError::ConnectionString)?;
        let Endpoint::Key(key) = parsed.endpoint else { return Err(QueueError::NoKey) };
        let uri: Uri = origin.parse().map_err(|_| QueueError::NotHttp)?;
        if uri.scheme_str() != Some("http") || uri.path() != "/" || uri.query().is_some() {
            return Err(QueueError::NotHttp);
        }
        let segments: Vec<_> = name
            .split('/')
            .map(|segment| utf8_percent_encode(segment, NOT_IN_SEGMENT).to_string())
            .collect();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            origin: origin.trim_end_matches('/').to_owned(),
            host: parsed.host,
            path: segments.join("/"),
            key,
        })
    }

    /// Receives a message, waiting for one; `None` when none came.
    ///
    /// # Errors
    /// The queue cannot be reached, or refuses.
    pub async fn receive(&self, wait: Duration) -> Result<Option<Delivery>, QueueError> {
        let path = format!("/{}/messages/head?timeout={}", self.path, wait.as_secs());
        let (status, headers, body) = self.ask(Method::POST, &path, wait + PATIENCE).await?;
        match status {
            StatusCode::CREATED => Ok(Some(delivery(&headers, body)?)),
            StatusCode::NO_CONTENT => Ok(None),
            status => Err(QueueError::Refused(status)),
        }
    }

    /// Removes a message from the queue: it needs no more work.
    ///
    /// # Errors
    /// The lock is lost, or the queue cannot be reached.
    pub async fn complete(&self, lock: &Lock) -> Result<(), QueueError> {
        self.settle(Method::DELETE, lock).await
    }

    /// Gives a message back. After as many deliveries as the queue allows, the broker moves it to
    /// the dead-letter queue; over HTTP there is no other way to put it there.
    ///
    /// # Errors
    /// The lock is lost, or the queue cannot be reached.
    pub async fn abandon(&self, lock: &Lock) -> Result<(), QueueError> {
        self.settle(Method::PUT, lock).await
    }

    /// Holds a lock for the queue's whole lock duration again.
    ///
    /// # Errors
    /// The lock is lost, or the queue cannot be reached.
    pub async fn renew(&self, lock: &Lock) -> Result<(), QueueError> {
        self.settle(Method::POST, lock).await
    }

    async fn settle(&self, method: Method, lock: &Lock) -> Result<(), QueueError> {
        match self.ask(method, &lock.path, PATIENCE).await?.0 {
            StatusCode::OK => Ok(()),
            status => Err(QueueError::Refused(status)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        patience: Duration,
    ) -> Result<(StatusCode, HeaderMap, Bytes), QueueError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(QueueError::Clock)?;
        let resource = format!("https://{}/{}", self.host, self.path);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.origin))
            .header(header::HOST, &self.host)
            .header(
                header::AUTHORIZATION,
                self.key.token(&resource, now, Duration::ZERO, TOKEN_TTL).as_str(),
            )
            .header(header::CONTENT_LENGTH, 0)
            .body(Empty::new())
            .map_err(QueueError::Request)?;
        let exchange = async {
            let answer = self.client.request(request).await.map_err(QueueError::Connection)?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await.map_err(QueueError::Body)?;
            Ok((parts.status, parts.headers, body.to_bytes()))
        };
        tokio::time::timeout(patience, exchange).await.map_err(|_| QueueError::Timeout)?
    }
}

fn delivery(headers: &HeaderMap, body: Bytes) -> Result<Delivery, QueueError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let properties: BrokerProperties = text("brokerproperties")
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or(QueueError::Answer("the properties of a locked message"))?;
    // The lock is where the broker says; only its host is left to where we connect.
    let location: Uri = text("location")
        .and_then(|text| text.parse().ok())
        .ok_or(QueueError::Answer("the place of the lock"))?;
    let until = httpdate::parse_http_date(&properties.locked_until_utc)
        .map_err(|_| QueueError::Answer("the end of the lock"))?;
    // By the broker's clock, where it tells the time: ours may go differently.
    let now = text("date")
        .and_then(|text| httpdate::parse_http_date(text).ok())
        .unwrap_or_else(SystemTime::now);
    Ok(Delivery {
        message_id: properties.message_id,
        delivery_count: properties.delivery_count,
        body,
        lock: Lock {
            token: properties.lock_token,
            // None when it has run out already; the broker will say so.
            held: until.duration_since(now).unwrap_or_default(),
            path: location.path().to_owned(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTION_STRING: &str = "Endpoint=sb://ns.servicebus.windows.net/;\
                                     SharedAccessKeyName=listen;SharedAccessKey=canary";

    fn error(origin: &str, connection_string: &str) -> String {
        Queue::new(origin, connection_string, "orders").err().unwrap().to_string()
    }

    #[test]
    fn a_queue_is_named_by_its_path() {
        let path = |name| Queue::new("http://a", CONNECTION_STRING, name).unwrap().path;
        assert_eq!(path("orders"), "orders");
        assert_eq!(path("eu/or ders?"), "eu/or%20ders%3F");
        assert_eq!(path("orders/$DeadLetterQueue"), "orders/$DeadLetterQueue");
    }

    #[test]
    fn what_cannot_be_used_says_why_and_shows_no_secret() {
        let expected = "expected a URL such as http://127.0.0.1:5380";
        for origin in ["", "127.0.0.1", "https://a", "http://a/b", "http://a?b"] {
            assert_eq!(error(origin, CONNECTION_STRING), expected, "{origin}");
        }
        assert_eq!(
            error("http://a", "canary"),
            "connection string: a part is not of the form Name=Value"
        );
        let signed = "Endpoint=sb://ns/;SharedAccessSignature=SharedAccessSignature canary";
        assert_eq!(error("http://a", signed), "connection string: SharedAccessKey is missing");
    }

    fn received(names: &[(&'static str, &str)]) -> Result<Delivery, String> {
        let headers = names
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        delivery(&headers.collect(), Bytes::from_static(b"body")).map_err(|error| error.to_string())
    }

    const PROPERTIES: &str = r#"{"DeliveryCount":2,"LockToken":"token","LockedUntilUtc":"Sat, 21 Nov 2026 00:01:00 GMT","MessageId":"id","More":1}"#;
    const LOCATION: &str = "https://ns.servicebus.windows.net/orders/messages/1/token";

    #[test]
    fn a_lock_is_held_by_the_brokers_clock() {
        let delivery = received(&[
            ("brokerproperties", PROPERTIES),
            ("location", LOCATION),
            ("date", "Sat, 21 Nov 2026 00:00:15 GMT"),
        ])
        .unwrap();
        assert_eq!((delivery.message_id.as_str(), delivery.delivery_count), ("id", 2));
        assert_eq!(delivery.lock.held, Duration::from_secs(45));
        assert_eq!(delivery.lock.path, "/orders/messages/1/token");
        assert_eq!(delivery.lock.token, "token");
        assert_eq!(delivery.body, "body");
    }

    #[test]
    fn a_lock_that_has_run_out_is_held_no_longer() {
        let date = ("date", "Sat, 21 Nov 2026 00:02:00 GMT");
        let delivery =
            received(&[("brokerproperties", PROPERTIES), ("location", LOCATION), date]).unwrap();
        assert_eq!(delivery.lock.held, Duration::ZERO);
    }

    #[test]
    fn an_answer_that_lacks_something_is_no_message() {
        let error = |names| received(names).unwrap_err();
        assert_eq!(
            error(&[("location", LOCATION)]),
            "Service Bus answered without the properties of a locked message"
        );
        assert_eq!(
            error(&[("brokerproperties", PROPERTIES)]),
            "Service Bus answered without the place of the lock"
        );
        let undated = PROPERTIES.replace("Sat, 21", "21");
        assert_eq!(
            error(&[("brokerproperties", &undated), ("location", LOCATION)]),
            "Service Bus answered without the end of the lock"
        );
    }
}
