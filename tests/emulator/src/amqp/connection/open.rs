//! The beginning of a connection: protocol headers, SASL, open.

use super::{Connection, MAX_CHANNEL, Phase};
use crate::amqp::codec::Value;
use crate::amqp::frame::MAX_FRAME;
use crate::auth;

const AMQP: [u8; 8] = *b"AMQP\x00\x01\x00\x00";
const SASL: [u8; 8] = *b"AMQP\x03\x01\x00\x00";

/// How long this end bears silence, as in Azure.
pub(super) const IDLE_MILLIS: u32 = 240_000;

const MECHANISMS: [&str; 4] = ["MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL"];

impl Connection {
    pub(super) fn protocol_header(&mut self, header: [u8; 8], after_sasl: bool) {
        match header {
            SASL if !after_sasl => {
                let mechanisms = MECHANISMS.map(Value::symbol).to_vec();
                self.output.raw(&SASL);
                let mechanisms = vec![Value::Array(mechanisms)];
                self.output.send_sasl(&Value::described_list(0x40, mechanisms));
                self.phase = Phase::Sasl;
            }
            // Without SASL the client has no name, as with ANONYMOUS.
            AMQP => {
                self.output.raw(&AMQP);
                self.phase = Phase::Open;
            }
            _ => {
                self.output.raw(&SASL);
                self.phase = Phase::Finished;
            }
        }
    }

    /// Tokens come over `$cbs`, but a name and a key with PLAIN are as good.
    pub(super) fn sasl_init(&mut self, mechanism: &str, response: &[u8]) {
        let accepted = match mechanism {
            "PLAIN" => self.tokens.put_key(response, &self.about.service.trusted().lock()),
            other => MECHANISMS.contains(&other),
        };
        let code = u8::from(!accepted);
        self.output.send_sasl(&Value::described_list(0x44, vec![Value::Ubyte(code)]));
        self.phase = if accepted { Phase::Header(true) } else { Phase::Finished };
    }

    pub(super) fn open(&mut self, host: Option<&str>, max_frame: u32, idle_millis: Option<u32>) {
        auth::host(host.unwrap_or_default()).clone_into(&mut self.about.host);
        self.output.opened(max_frame, idle_millis);
        self.send_open();
        self.phase = Phase::Running;
    }

    pub(super) fn send_open(&mut self) {
        let open = vec![
            Value::string("service-bus-emulator"),
            Value::Null,
            Value::Uint(MAX_FRAME),
            Value::Ushort(MAX_CHANNEL),
            Value::Uint(IDLE_MILLIS),
        ];
        self.output.send(0, &Value::described_list(0x10, open), b"");
    }
}
