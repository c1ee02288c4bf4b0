//! The command `service-bus-emulator`.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use service_bus_emulator::amqp;
use service_bus_emulator::auth::{KeyRule, Trusted};
use service_bus_emulator::broker::Timestamp;
use service_bus_emulator::config;
use service_bus_emulator::http::{Listener, tls_acceptor};
use service_bus_emulator::service::Service;
use service_bus_emulator::wire::Tier;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// A strict stand-in for the HTTP (REST) runtime API of Azure Service Bus.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:5380", value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Where to speak AMQP in plain, as Microsoft's SDKs do with UseDevelopmentEmulator=true.
    #[arg(long, value_name = "ADDRESS")]
    amqp: Option<SocketAddr>,

    /// Where to speak AMQP over TLS.
    #[arg(long, value_name = "ADDRESS", requires = "tls_certificate")]
    amqps: Option<SocketAddr>,

    /// Entities, in the format of Microsoft's emulator.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,

    /// What the namespace was bought as: it sets the limits.
    #[arg(long, value_enum, default_value = "standard")]
    tier: Tier,

    /// A shared access key: NAME=KEY[;rights=Send,Listen,Manage][;entity=PATH]. May be repeated.
    /// Without it, Microsoft's emulator's RootManageSharedAccessKey=SAS_KEY_VALUE.
    #[arg(long, value_name = "RULE")]
    sas_key: Vec<String>,

    /// An identity of Entra ID with the secret that signs its bearer tokens (HS256), by its object
    /// id: OID=SECRET[;rights=Send,Listen,Manage][;entity=PATH]. May be repeated.
    #[arg(long, value_name = "RULE")]
    identity: Vec<String>,

    /// How many seconds the emulator's clock is ahead of the machine's; behind it if negative.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    clock_ahead: i32,

    /// Serve TLS with this certificate chain.
    #[arg(long, value_name = "PEM", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,

    /// The key of the certificate.
    #[arg(long, value_name = "PEM", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,

    /// Speak HTTP/2 too, which Azure is not known to do.
    #[arg(long)]
    allow_http2: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), String> {
    let file = options.config.display();
    let text = fs::read(&options.config).map_err(|error| format!("{file}: {error}"))?;
    let config =
        config::parse(&text, options.tier).map_err(|errors| format!("{file}:\n{errors}"))?;
    for warning in &config.warnings {
        eprintln!("{file}: warning: {warning}");
    }
    let tls = match (&options.tls_certificate, &options.tls_key) {
        (Some(certificate), Some(key)) => Some(
            tls_acceptor(certificate, key, options.allow_http2)
                .map_err(|error| error.to_string())?,
        ),
        _ => None,
    };
    let mut keys = rules("--sas-key", &options.sas_key)?;
    if keys.is_empty() {
        keys.push(KeyRule::emulator_default());
    }
    let trusted = Trusted { keys, identities: rules("--identity", &options.identity)? };
    Timestamp::set_ahead(options.clock_ahead);
    let service = Arc::new(Service::new(config.namespaces, trusted, options.tier));

    // Before the line that says that it is ready: whoever reads it may send a signal.
    let cannot_wait = |error: io::Error| format!("cannot wait for signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot_wait)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot_wait)?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };

    let listen = options.listen;
    let cannot_listen = |address| move |error| format!("cannot listen on {address}: {error}");
    let mut amqp_listeners = Vec::new();
    for (address, tls) in [(options.amqp, None), (options.amqps, tls.clone())] {
        let Some(address) = address else { continue };
        let bound = amqp::Listener::bind(address, tls, Arc::clone(&service)).await;
        amqp_listeners.push(bound.map_err(cannot_listen(address))?);
    }
    let listener = Listener::bind(listen, tls, options.allow_http2, service)
        .await
        .map_err(cannot_listen(listen))?;
    let mut stdout = io::stdout();
    // At once: whoever reads the first line alone may close its end then.
    let urls = std::iter::once(listener.url()).chain(amqp_listeners.iter().map(|l| l.url()));
    let lines: String = urls.map(|url| format!("listening on {url}\n")).collect();
    stdout
        .write_all(lines.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("cannot say where it listens: {error}"))?;
    let mut amqp = JoinSet::new();
    for listener in amqp_listeners {
        amqp.spawn(listener.serve());
    }
    listener.serve(stop).await;
    Ok(())
}

/// Not read by clap, whose errors show the whole argument, key and all.
fn rules(option: &str, rules: &[String]) -> Result<Vec<KeyRule>, String> {
    let read = |rule: &String| {
        let name = rule.split_once('=').map_or("", |(name, _)| name);
        rule.parse().map_err(|error| format!("{option} {name}: {error}"))
    };
    rules.iter().map(read).collect()
}
