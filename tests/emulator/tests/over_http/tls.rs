//! TLS, with a certificate made for the test.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::client::{HOST, connect, exchange, request};
use crate::emulator::{Emulator, command, shipped_config, token};

struct Certificate {
    folder: TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([HOST.to_owned()]).unwrap();
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("certificate.pem"), cert.pem()).unwrap();
        fs::write(folder.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
        Self { folder, der: cert.der().clone() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn start(&self) -> Emulator {
        let (certificate, key) = (self.path("certificate.pem"), self.path("key.pem"));
        let mut command = command(shipped_config());
        command.arg("--tls-certificate").arg(certificate).arg("--tls-key").arg(key);
        Emulator::spawn(&mut command)
    }

    /// Connects, verifies the certificate, and names the host.
    fn connect(&self, port: u16) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = ServerName::try_from(HOST).unwrap();
        let session = ClientConnection::new(Arc::new(config), host).unwrap();
        StreamOwned::new(session, connect(port))
    }
}

fn signed(line: &str, body: &[u8]) -> Vec<u8> {
    request(line, &[("Authorization", &token())], body)
}

#[test]
fn messages_are_sent_and_locked_over_tls() {
    let certificate = Certificate::new();
    let emulator = certificate.start();
    assert_eq!(emulator.url, format!("https://127.0.0.1:{}", emulator.port));
    let mut stream = certificate.connect(emulator.port);
    let sent = exchange(&mut stream, &signed("POST /events/messages", b"secret")).unwrap();
    assert_eq!(sent.status, 201);
    let lock = signed("POST /events/messages/head?timeout=0", b"");
    let locked = exchange(&mut stream, &lock).unwrap();
    assert_eq!(locked.text(), "secret");
    let location = locked.header("Location").unwrap();
    assert!(location.starts_with(&format!("https://{HOST}/events/messages/1/")), "{location}");

    let requests = request("GET /$emulator/requests", &[], b"");
    let requests = exchange(&mut stream, &requests).unwrap().json();
    assert_eq!(requests[0]["tls_server_name"], json!(HOST));
}

#[test]
fn a_reset_reaches_through_tls() {
    let certificate = Certificate::new();
    let emulator = certificate.start();
    let mut stream = certificate.connect(emulator.port);
    let arm =
        request("POST /$emulator/faults", &[], br#"{"fault":{"reset":"after_storing"},"count":1}"#);
    assert_eq!(exchange(&mut stream, &arm).unwrap().status, 200);
    stream.write_all(&signed("POST /events/messages", b"")).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn plain_text_is_no_tls() {
    let certificate = Certificate::new();
    let emulator = certificate.start();
    let mut stream = connect(emulator.port);
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // An alert or nothing at all, but nothing that could be taken for HTTP.
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // It serves others on.
    let mut next = certificate.connect(emulator.port);
    assert_eq!(exchange(&mut next, &signed("POST /events/messages", b"")).unwrap().status, 201);
}

#[test]
fn files_that_are_no_certificate_are_refused() {
    let certificate = Certificate::new();
    let empty = certificate.path("empty.pem");
    fs::write(&empty, "").unwrap();
    let other = Certificate::new();
    let key_of_other = other.path("key.pem");
    for (chain, key, expected) in [
        (
            &empty,
            &certificate.path("key.pem"),
            format!("{}: no certificate in it\n", empty.display()),
        ),
        (
            &certificate.path("certificate.pem"),
            &empty,
            format!("{}: no items found\n", empty.display()),
        ),
        (
            &certificate.path("certificate.pem"),
            &key_of_other,
            format!("{}: keys may not be consistent: KeyMismatch\n", key_of_other.display()),
        ),
    ] {
        let mut command = command(shipped_config());
        command.arg("--tls-certificate").arg(chain).arg("--tls-key").arg(key);
        let Output { status, stderr, .. } = command.output().unwrap();
        assert_eq!(status.code(), Some(1));
        assert_eq!(String::from_utf8(stderr).unwrap(), expected);
    }
}
