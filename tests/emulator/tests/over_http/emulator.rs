//! The emulator as a process of its own, on a free port, gone when the test is.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use sha2::Sha256;

use crate::client::{Answer, HOST, connect, exchange, request};

pub(crate) struct Emulator {
    child: Child,
    pub(crate) url: String,
    pub(crate) port: u16,
}

/// The command with a file.
pub(crate) fn command(config: impl AsRef<Path>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_service-bus-emulator"));
    command.args(["--listen", "127.0.0.1:0", "--config"]).arg(config.as_ref());
    command
}

/// The file that the repository ships.
pub(crate) fn shipped_config() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config.json"))
}

impl Emulator {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::spawn(command(shipped_config()).args(arguments))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim_end().strip_prefix("listening on ").unwrap().to_owned();
        let port = url.rsplit(':').next().unwrap().parse().unwrap();
        Self { child, url, port }
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a request as it is told, without a token.
    pub(crate) fn ask_unsigned(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        exchange(&mut connect(self.port), &request(line, headers, body)).unwrap()
    }

    /// Sends a request with a token for everything.
    pub(crate) fn ask(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let token = token();
        let signed: Vec<_> = [("Authorization", token.as_str())]
            .into_iter()
            .chain(headers.iter().copied())
            .collect();
        self.ask_unsigned(line, &signed, body)
    }

    /// Sends a message with an id and expects it to be taken.
    pub(crate) fn send(&self, entity: &str, id: &str, headers: &[(&str, &str)], body: &[u8]) {
        let broker = format!(r#"{{"MessageId":"{id}"}}"#);
        let headers: Vec<_> = [("BrokerProperties", broker.as_str())]
            .into_iter()
            .chain(headers.iter().copied())
            .collect();
        let answer = self.ask(&format!("POST /{entity}/messages"), &headers, body);
        assert_eq!(answer.status, 201, "{}", answer.text());
    }

    pub(crate) fn receive(&self, entity: &str) -> Answer {
        self.ask(&format!("DELETE /{entity}/messages/head?timeout=0"), &[], b"")
    }

    pub(crate) fn peek_lock(&self, entity: &str) -> Answer {
        self.ask(&format!("POST /{entity}/messages/head?timeout=0"), &[], b"")
    }

    /// Asks the admin API and expects it to agree.
    pub(crate) fn admin(&self, line: &str, body: &str) -> Value {
        let answer = self.ask_admin(line, body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    pub(crate) fn ask_admin(&self, line: &str, body: &str) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        self.ask_unsigned(&format!("{method} /$emulator/{path}"), &[], body.as_bytes())
    }

    /// Arms a fault.
    pub(crate) fn arm(&self, order: &str) {
        self.admin("POST faults", order);
    }

    /// What became of the latest request.
    pub(crate) fn verdict(&self) -> String {
        self.admin("GET requests?limit=1", "")[0]["verdict"].as_str().unwrap().to_owned()
    }

    /// Waits for what comes by itself.
    pub(crate) fn wait_until(&self, done: impl Fn() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(20), "it does not come");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many messages were ever stored in an entity.
    pub(crate) fn stored(&self, entity: &str) -> u64 {
        self.admin(&format!("GET stored?entity={entity}"), "")["stored"].as_u64().unwrap()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended already, which is then the subject of the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A token of the default key for the whole namespace.
pub(crate) fn token() -> String {
    sign(&format!("https://{HOST}/"), "RootManageSharedAccessKey", "SAS_KEY_VALUE", 4_102_444_800)
}

/// Any token, by the recipe of Microsoft's documentation.
pub(crate) fn sign(uri: &str, name: &str, key: &str, expiry: u64) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let resource = encode(uri);
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{resource}\n{expiry}").as_bytes());
    let signature = encode(&STANDARD.encode(mac.finalize().into_bytes()));
    format!("SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={}", encode(name))
}
