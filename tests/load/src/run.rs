//! A run: connections that take the plan's requests one after the other.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{self, LocalSet};

use crate::book::{Entry, Outcome};
use crate::connection::{Broken, Connection, Idle};
use crate::plan::{Abort, Moment, Plan, Planned};
use crate::request::{Template, Wire};
use crate::target::Target;
use crate::verdict::{Check, Verdict};

/// All that a run needs.
#[derive(Clone, Debug)]
pub struct Load {
    /// The server.
    pub target: Target,
    /// What the requests have in common.
    pub template: Template,
    /// What they are drawn from.
    pub plan: Plan,
    /// What answers are held to.
    pub check: Check,
    /// How many requests.
    pub requests: u64,
    /// How many of them at a time.
    pub connections: usize,
    /// How long a client waits for one, connecting included.
    pub timeout: Duration,
    /// How long a connection rests after a 503.
    pub backoff: Duration,
}

/// A run that is over.
#[derive(Debug)]
pub struct Run {
    /// Every request, by number.
    pub entries: Vec<Entry>,
    /// From the first connection to the last answer.
    pub duration: Duration,
}

/// Sends the load.
///
/// # Errors
///
/// A connection's task failed: a defect of the load generator.
pub async fn run(load: Load) -> Result<Run, task::JoinError> {
    let started = Instant::now();
    let load = Rc::new(load);
    let next = Rc::new(Cell::new(0));
    let set = LocalSet::new();
    let clients: Vec<_> = (0..load.connections)
        .map(|_| set.spawn_local(Client::new(Rc::clone(&load)).work(Rc::clone(&next))))
        .collect();
    set.await;
    let duration = started.elapsed();
    let mut entries = Vec::new();
    for client in clients {
        entries.append(&mut client.await?);
    }
    entries.sort_unstable_by_key(|entry| entry.n);
    Ok(Run { entries, duration })
}

struct Client {
    load: Rc<Load>,
    connection: Option<Connection>,
    wire: Wire,
    entries: Vec<Entry>,
}

enum End {
    Aborted,
    Answered(crate::answer::Answer),
    Broken(Broken),
    Timeout,
}

impl Client {
    fn new(load: Rc<Load>) -> Self {
        Self { load, connection: None, wire: Wire::default(), entries: Vec::new() }
    }

    async fn work(mut self, next: Rc<Cell<u64>>) -> Vec<Entry> {
        loop {
            let n = next.get();
            if n >= self.load.requests {
                break;
            }
            next.set(n + 1);
            let entry = self.request(n).await;
            let refused = entry.outcome == Outcome::Answered(503);
            self.entries.push(entry);
            if refused {
                pause(self.load.backoff).await;
            }
        }
        self.check_idle();
        self.entries
    }

    async fn request(&mut self, n: u64) -> Entry {
        let planned = self.load.plan.request(n);
        self.load.template.write(&planned, &mut self.wire);
        self.check_idle();
        let started = Instant::now();
        let limit = self.load.timeout;
        let end = tokio::time::timeout(limit, self.exchange(planned.abort.as_ref())).await;
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.entry(n, &planned, end.unwrap_or(End::Timeout), micros)
    }

    async fn exchange(&mut self, abort: Option<&Abort>) -> End {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            vacant => match Connection::open(self.load.target.address).await {
                Ok(connection) => vacant.insert(connection),
                Err(error) => return End::Broken(Broken::Lost(format!("cannot connect: {error}"))),
            },
        };
        let bytes = self.wire.bytes.get(..self.wire.cut).unwrap_or_default();
        if let Err(error) = connection.send(bytes).await {
            return End::Broken(Broken::Lost(error.to_string()));
        }
        let wait = match abort.map(|abort| &abort.moment) {
            Some(Moment::Sent) => return End::Aborted,
            Some(Moment::Sending { then, .. }) => Some(*then),
            Some(Moment::Waiting(wait)) => Some(*wait),
            None => None,
        };
        let answer = connection.answer(self.load.template.asks_for_head());
        let answer = match wait {
            Some(wait) => tokio::select! {
                biased;
                answer = answer => answer,
                () = pause(wait) => return End::Aborted,
            },
            None => answer.await,
        };
        answer.map_or_else(End::Broken, End::Answered)
    }

    fn entry(&mut self, n: u64, planned: &Planned, end: End, micros: u64) -> Entry {
        let connection = self.connection.take();
        let sent = connection.as_ref().is_some_and(|it| it.sent() == self.wire.bytes.len());
        let unread = connection.as_ref().map_or(0, Connection::unread);
        let stopped = (unread > 0).then(|| format!("answer stopped after {unread} bytes"));
        let mut reason = None;
        let mut detail = None;
        let (outcome, wrong) = match end {
            End::Aborted => {
                if let Some(Err(error)) = reset(connection, planned.abort.as_ref()) {
                    detail = Some(format!("closed without reset: {error}"));
                }
                (Outcome::Aborted, None)
            }
            End::Answered(answer) => {
                let verdict = self.load.check.judge(&answer, &planned.key.to_string());
                if sent && !answer.close && unread == 0 {
                    self.connection = connection;
                }
                reason = verdict.reason.clone();
                (Outcome::Answered(answer.status), wrong(verdict, answer.status, sent, unread))
            }
            End::Broken(Broken::Lost(how)) => {
                detail = Some(how);
                (Outcome::ConnectionLost, stopped)
            }
            End::Broken(Broken::Malformed(malformed)) => {
                (Outcome::ConnectionLost, Some(malformed.to_string()))
            }
            End::Timeout => (Outcome::Timeout, stopped),
        };
        Entry {
            n,
            key: planned.key,
            outcome,
            sent,
            micros,
            reason,
            wrong: wrong.map(Into::into),
            detail: detail.map(Into::into),
        }
    }

    /// Bytes behind the last answer are that answer's fault.
    fn check_idle(&mut self) {
        match self.connection.as_mut().map(Connection::idle) {
            Some(Idle::Closed) => self.connection = None,
            Some(Idle::Surplus) => {
                let surplus = self.connection.take().map_or(0, |connection| connection.unread());
                if let Some(last) = self.entries.last_mut() {
                    last.wrong.get_or_insert_with(|| follows(surplus).into());
                }
            }
            Some(Idle::Quiet) | None => {}
        }
    }
}

fn wrong(verdict: Verdict, status: u16, sent: bool, unread: usize) -> Option<String> {
    if status == 202 && !sent {
        return Some("202 before the request was sent whole".to_owned());
    }
    verdict.wrong.or_else(|| (unread > 0).then(|| follows(unread)))
}

fn follows(surplus: usize) -> String {
    format!("{surplus} bytes follow the answer")
}

fn reset(connection: Option<Connection>, abort: Option<&Abort>) -> Option<std::io::Result<()>> {
    abort.filter(|abort| abort.reset).and(connection).map(Connection::reset)
}

/// The runtime's clock ticks in milliseconds, an answer comes in less.
async fn pause(wait: Duration) {
    if wait >= Duration::from_millis(1) {
        return tokio::time::sleep(wait).await;
    }
    let started = Instant::now();
    while started.elapsed() < wait {
        task::yield_now().await;
    }
}
