//! A small HTTP server on a thread of its own that behaves as a test says and
//! remembers what reached it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What reached the server.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) connected: usize,
    pub(crate) ended: usize,
    /// Requests that came whole, in the order of their coming.
    pub(crate) whole: Vec<Received>,
    /// Keys of requests that broke off.
    pub(crate) broken_off: Vec<String>,
    /// The broker's book.
    pub(crate) stored: BTreeMap<String, u64>,
    /// Stored messages that its book does not name.
    pub(crate) nameless: u64,
}

impl State {
    fn ledger(&self) -> String {
        let stored = self.stored.values().sum::<u64>() + self.nameless;
        json!({"messages": self.stored, "stored": stored, "duplicates": 0}).to_string()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Received {
    pub(crate) key: String,
    pub(crate) chunked: bool,
    pub(crate) body: Vec<u8>,
}

/// How one request is treated.
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    /// How many messages are stored behind it.
    pub(crate) stored: u64,
    /// Answer as soon as the head is there, as the connection's last answer, and read no further.
    pub(crate) at_head: bool,
    pub(crate) close: bool,
    /// Do not answer before this has passed.
    pub(crate) after: Duration,
}

impl Reply {
    pub(crate) fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        let after = Duration::ZERO;
        Self { bytes: bytes.into(), stored: 0, at_head: false, close: false, after }
    }

    pub(crate) fn accepted(key: &str) -> Self {
        let body = format!(r#"{{"status":"accepted","trackingId":"{key}"}}"#);
        let head = format!("content-type: application/json\r\nx-tracking-id: {key}\r\n");
        Self { stored: 1, ..Self::bytes(answer("202 Accepted", &head, &body)) }
    }

    pub(crate) fn problem(status: u16, reason: &str, retry_after: &str, key: &str) -> Self {
        let body = format!(r#"{{"status":{status},"reason":"{reason}","trackingId":"{key}"}}"#);
        let head = format!(
            "content-type: application/problem+json\r\nx-tracking-id: {key}\r\n{retry_after}"
        );
        Self::bytes(answer(&format!("{status} Problem"), &head, &body))
    }
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

impl Server {
    /// Starts a server that treats the request with a key as `behaviour` says.
    pub(crate) fn start(behaviour: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, shared, Arc::new(behaviour)) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/orders", self.address)
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn look<T>(&self, at: impl FnOnce(&mut State) -> T) -> T {
        at(&mut self.state.lock().unwrap())
    }

    /// Waits for what happens on this side after the client is done.
    pub(crate) fn wait_until(&self, reached: impl Fn(&State) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.look(|state| reached(state)) {
            assert!(Instant::now() < deadline, "{} connections ended", self.look(|it| it.ended));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let joined = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(joined, Some(Ok(()))), "the server panicked");
    }
}

type Behaviour = dyn Fn(&str) -> Reply + Send + Sync;

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>, behaviour: Arc<Behaviour>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        state.lock().unwrap().connected += 1;
        let (state, behaviour) = (Arc::clone(&state), Arc::clone(&behaviour));
        tokio::spawn(async move {
            // A connection that a client resets is part of the tests.
            serve(stream, &state, &*behaviour).await.unwrap_or_default();
            state.lock().unwrap().ended += 1;
        });
    }
}

async fn serve(
    mut stream: TcpStream,
    state: &Mutex<State>,
    behaviour: &Behaviour,
) -> std::io::Result<()> {
    let mut received = Vec::new();
    loop {
        let Some(head) = read_head(&mut stream, &mut received).await? else { return Ok(()) };
        if head.path.starts_with("/$emulator/stored?entity=orders") {
            let body = state.lock().unwrap().ledger();
            stream.write_all(answer("200 OK", "", &body).as_bytes()).await?;
            return Ok(());
        }
        let reply = behaviour(&head.key);
        if reply.at_head {
            state.lock().unwrap().broken_off.push(head.key);
            let bytes = String::from_utf8(reply.bytes).unwrap();
            let bytes = bytes.replacen("\r\n", "\r\nconnection: close\r\n", 1);
            stream.write_all(bytes.as_bytes()).await?;
            return std::future::pending().await;
        }
        let Ok(Some(body)) = read_body(&mut stream, &mut received, &head).await else {
            state.lock().unwrap().broken_off.push(head.key);
            return Ok(());
        };
        {
            let mut state = state.lock().unwrap();
            *state.stored.entry(head.key.clone()).or_default() += reply.stored;
            state.whole.push(Received { key: head.key, chunked: head.length.is_none(), body });
        }
        tokio::time::sleep(reply.after).await;
        stream.write_all(&reply.bytes).await?;
        if reply.close {
            return Ok(());
        }
    }
}

struct Head {
    path: String,
    key: String,
    length: Option<usize>,
}

async fn read_head(
    stream: &mut TcpStream,
    received: &mut Vec<u8>,
) -> std::io::Result<Option<Head>> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(len) = request.parse(received).unwrap() {
            let header = |name: &str| {
                let header = request.headers.iter().find(|header| header.name == name);
                header.map(|header| std::str::from_utf8(header.value).unwrap().to_owned())
            };
            let chunked = header("transfer-encoding").is_some();
            let length = header("content-length").map_or(0, |length| length.parse().unwrap());
            let head = Head {
                path: request.path.unwrap().to_owned(),
                key: header("idempotency-key").unwrap_or_default(),
                length: (!chunked).then_some(length),
            };
            received.drain(..len);
            return Ok(Some(head));
        }
        if stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}

async fn read_body(
    stream: &mut TcpStream,
    received: &mut Vec<u8>,
    head: &Head,
) -> std::io::Result<Option<Vec<u8>>> {
    loop {
        let body = match head.length {
            Some(length) => (received.len() >= length).then(|| received.drain(..length).collect()),
            None => read_chunks(received),
        };
        if body.is_some() {
            return Ok(body);
        }
        if stream.read_buf(received).await? == 0 {
            return Ok(None);
        }
    }
}

fn read_chunks(received: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let rest = received.get(at..)?;
        let httparse::Status::Complete((start, size)) = httparse::parse_chunk_size(rest).unwrap()
        else {
            return None;
        };
        let end = start + usize::try_from(size).unwrap();
        assert_eq!(rest.get(end..end + 2)?, b"\r\n");
        body.extend_from_slice(&rest[start..end]);
        at += end + 2;
        if size == 0 {
            received.drain(..at);
            return Some(body);
        }
    }
}
