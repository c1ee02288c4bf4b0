//! A real `redis-server` on a free port, gone when the test is.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use order_worker::store::Store;
use tempfile::TempDir;

const ATTEMPTS: usize = 5;

pub(crate) struct Redis {
    child: Child,
    port: u16,
    // Removed when the server is.
    folder: TempDir,
}

impl Redis {
    pub(crate) fn start() -> Self {
        // Redis takes no port 0: another may take the free port first.
        for _ in 0..ATTEMPTS {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let folder = tempfile::tempdir().unwrap();
            let mut child = spawn(port, &folder);
            if is_ready(&mut child, port) {
                return Self { child, port, folder };
            }
        }
        panic!("redis-server does not start");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn store(&self) -> Store {
        Store::new(&self.url()).unwrap()
    }

    /// Ends the server, and forgets all that it held.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again where it was.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.port, &self.folder);
        assert!(is_ready(&mut self.child, self.port), "redis-server does not start again");
    }

    /// Seconds until a key expires.
    pub(crate) async fn seconds_left(&self, key: &str) -> u64 {
        redis::cmd("TTL").arg(key).query_async(&mut self.connection().await).await.unwrap()
    }

    pub(crate) async fn set(&self, key: &str, value: &str) {
        let mut connection = self.connection().await;
        redis::cmd("SET").arg(key).arg(value).exec_async(&mut connection).await.unwrap();
    }

    async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have been stopped already, which is then the subject of the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, folder: &TempDir) -> Child {
    let command = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    Command::new(&command)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "{command}: {error}: install Redis (Debian, Ubuntu: apt-get install redis-server)"
            )
        })
}

/// Whether the server answers; false if it ended, as when the port was taken.
fn is_ready(child: &mut Child, port: u16) -> bool {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        let ping = client.get_connection().and_then(|mut it| redis::cmd("PING").exec(&mut it));
        if ping.is_ok() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("redis-server is not ready");
}
