//! The command as it is run.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::bus::{Bus, CONNECTION_STRING, order, wait_until};
use crate::client::ask;
use crate::server::Redis;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order-worker"));
    command.args(["--listen", "127.0.0.1:0"]).args(arguments);
    command.env("SB_CONNECTION_STRING", CONNECTION_STRING).stdout(Stdio::piped());
    command
}

/// Ended when the test is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is then the subject of the test.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn it_works_on_orders_tells_their_status_and_ends_when_told() {
    let (redis, bus) = (Redis::start(), Bus::start().await);
    let arguments = ["--service-bus", &bus.url, "--redis", &redis.url(), "--concurrency", "2"];
    let mut running = Running(command(&arguments).stderr(Stdio::null()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let origin = line.trim_end().strip_prefix("listening on ").unwrap();

    bus.send("m-1", &order("t-1")).await;
    let completed = async || {
        let answer = ask(origin, "GET /order:status:t-1", "", "").await;
        answer.status == 200 && answer.json()["status"] == "completed"
    };
    wait_until("completed order", completed).await;

    let signal = Command::new("kill").arg(running.0.id().to_string()).status().unwrap();
    assert!(signal.success());
    assert!(running.0.wait().unwrap().success());
    assert_eq!(bus.counts().await, [0, 0, 0]);
}

#[test]
fn what_it_cannot_start_with_is_named() {
    let error = |command: &mut Command| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(
        error(command(&[]).env_remove("SB_CONNECTION_STRING")),
        "order-worker: SB_CONNECTION_STRING: environment variable not found\n"
    );
    assert_eq!(
        error(command(&[]).env("SB_CONNECTION_STRING", "Endpoint=sb://ns/")),
        "order-worker: connection string: SharedAccessKeyName is missing\n"
    );
    assert_eq!(
        error(&mut command(&["--service-bus", "ns"])),
        "order-worker: expected a URL such as http://127.0.0.1:5380\n"
    );
    assert_eq!(
        error(&mut command(&["--redis", "http://a"])),
        "order-worker: --redis: Redis URL did not parse - InvalidClientConfig\n"
    );
}
