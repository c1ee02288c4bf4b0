//! The command line: options in, a worker and its statuses until told to stop.

use std::env;
use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::queue::Queue;
use crate::status_api;
use crate::store::Store;
use crate::worker::Worker;

/// Names the namespace and signs; a variable, as every user of the machine can read options.
const CONNECTION_STRING: &str = "SB_CONNECTION_STRING";

/// Works on the orders of a Service Bus queue and tells their status from Redis.
///
/// The environment variable SB_CONNECTION_STRING names the namespace and the key that signs.
#[derive(Debug, Parser)]
#[command(name = "order-worker", version)]
pub struct Options {
    /// Where the namespace is reached.
    #[arg(long, default_value = "http://127.0.0.1:5380", value_name = "URL")]
    service_bus: String,
    /// The queue of the orders.
    #[arg(long, default_value = "orders", value_name = "NAME")]
    queue: String,
    /// The store of the statuses.
    #[arg(long, default_value = "redis://127.0.0.1:6379", value_name = "URL")]
    redis: String,
    /// Where to tell the statuses; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// How many orders are worked on at a time.
    #[arg(long, default_value = "4", value_name = "NUMBER")]
    concurrency: std::num::NonZeroU8,
    /// What an order takes.
    #[arg(long, default_value = "0s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    work_time: Duration,
}

/// Runs until SIGTERM or SIGINT; the orders in hand are finished then.
///
/// # Errors
/// It cannot start.
pub async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let connection_string =
        env::var(CONNECTION_STRING).map_err(|error| format!("{CONNECTION_STRING}: {error}"))?;
    let queue = Queue::new(&options.service_bus, &connection_string, &options.queue)?;
    let store = Store::new(&options.redis).map_err(|error| format!("--redis: {error}"))?;

    // Before the line that says that it is ready: whoever reads it may send a signal.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on http://{}", listener.local_addr()?)?;
    stdout.flush()?;

    let (stop, stopped) = watch::channel(());
    let worker = Worker { queue, store: store.clone(), work_time: options.work_time };
    let mut tasks = JoinSet::new();
    for _ in 0..options.concurrency.get() {
        let (worker, stopped) = (worker.clone(), stopped.clone());
        tasks.spawn(async move { worker.run(ended(stopped)).await });
    }
    tasks.spawn(status_api::serve(listener, store, ended(stopped)));

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        // None ends by itself; should one panic, the rest must not go on as if all were well.
        Some(ended) = tasks.join_next() => ended?,
    }
    drop(stop);
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    Ok(())
}

/// Waits until the sender is gone.
async fn ended(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_options_agree_with_each_other() {
        Options::command().debug_assert();
    }
}
