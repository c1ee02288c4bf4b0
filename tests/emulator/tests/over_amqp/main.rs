//! The command's sockets that speak AMQP. What is said on them is tested without sockets, and with
//! Microsoft's SDKs.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by a panic, in its helpers too"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const SASL: &[u8] = b"AMQP\x03\x01\x00\x00";
const AMQP: &[u8] = b"AMQP\x00\x01\x00\x00";

struct Emulator {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

fn command() -> Command {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/config.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_service-bus-emulator"));
    command.args(["--config", config, "--listen", "127.0.0.1:0"]);
    command
}

impl Emulator {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// The port of the next line, which is for a scheme.
    fn port(&mut self, scheme: &str) -> u16 {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let start = format!("listening on {scheme}://127.0.0.1:");
        line.trim_end().strip_prefix(&start).unwrap_or_else(|| panic!("{line}")).parse().unwrap()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended already, which is then the subject of the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn read(stream: &mut impl Read) -> [u8; 8] {
    let mut header = [0; 8];
    stream.read_exact(&mut header).unwrap();
    header
}

#[test]
fn it_says_where_it_speaks_amqp() {
    let mut emulator = Emulator::start(command().args(["--amqp", "127.0.0.1:0"]));
    emulator.port("http");
    let mut stream = connect(emulator.port("amqp"));
    stream.write_all(AMQP).unwrap();
    assert_eq!(read(&mut stream), AMQP);
    // An open with a container and a host is answered, and a close ends it.
    stream
        .write_all(b"\x00\x00\x00\x14\x02\x00\x00\x00\x00\x53\x10\xc0\x07\x02\xa1\x01c\xa1\x01h")
        .unwrap();
    stream.write_all(b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x18\x45").unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"\x00\x00\x00\x0c\x02\x00\x00\x00\x00\x53\x18\x45"), "{rest:?}");
}

#[test]
fn amqps_is_tls_with_the_same_certificate() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let mut command = command();
    command.args(["--amqps", "127.0.0.1:0", "--tls-certificate"]);
    command.arg(file("certificate.pem", cert.pem()));
    command.arg("--tls-key").arg(file("key.pem", signing_key.serialize_pem()));
    let mut emulator = Emulator::start(&mut command);
    emulator.port("https");
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let host = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config), host).unwrap();
    let mut stream = StreamOwned::new(session, connect(emulator.port("amqps")));
    stream.write_all(SASL).unwrap();
    assert_eq!(read(&mut stream), SASL);
}

#[test]
fn amqps_needs_a_certificate() {
    let output = command().args(["--amqps", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--tls-certificate"));
}

#[test]
fn peers_that_leave_or_send_anything_disturb_no_one() {
    let mut emulator = Emulator::start(command().args(["--amqp", "127.0.0.1:0"]));
    emulator.port("http");
    let port = emulator.port("amqp");
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..100 {
        let mut stream = connect(port);
        if round % 2 == 0 {
            stream.write_all(AMQP).unwrap();
            assert_eq!(read(&mut stream), AMQP);
        }
        let bytes: Vec<u8> = (0..random.usize(0..2000)).map(|_| random.u8(..)).collect();
        // It may have hung up in the middle.
        let _ = stream.write_all(&bytes);
        if round % 3 == 0 {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
    let mut stream = connect(port);
    stream.write_all(SASL).unwrap();
    assert_eq!(read(&mut stream), SASL);
    assert!(emulator.child.try_wait().unwrap().is_none());
}
