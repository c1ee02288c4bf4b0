//! The command line: options in, a summary out.

use std::error::Error;
use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use http::{HeaderName, HeaderValue, Method};

use crate::book;
use crate::plan::Plan;
use crate::request::Template;
use crate::run::{self, Load, Run};
use crate::settle::{self, Ledger};
use crate::summary::{Settlement, Summary};
use crate::target::Target;
use crate::verdict::Check;

/// How many findings are printed of each kind.
const SHOWN: usize = 20;

/// Sends seeded HTTP load, breaks off some requests on purpose, and keeps a
/// book of what became of each.
#[derive(Clone, Debug, Parser)]
#[command(name = "service-bus-load", version)]
pub struct Options {
    /// Where to send, on loopback.
    #[arg(long)]
    url: Target,
    /// How many requests.
    #[arg(long, default_value_t = 100_000)]
    requests: u64,
    /// How many at a time, each on its own connection.
    #[arg(long, default_value = "64", value_parser = connections)]
    connections: usize,
    /// Share of requests whose client goes away early.
    #[arg(long, default_value = "0", value_parser = percent)]
    abort_percent: f64,
    /// The longest that such a client waits after what it sent.
    #[arg(long, default_value = "20ms", value_parser = humantime::parse_duration)]
    abort_within: Duration,
    /// Size of the bodies: a number, or the least and the most as in 50..4096.
    #[arg(long, default_value = "50..4096", value_parser = sizes)]
    body_bytes: RangeInclusive<usize>,
    /// Share of requests with a chunked body.
    #[arg(long, default_value = "0", value_parser = percent)]
    chunked_percent: f64,
    /// Share of requests that repeat a recent one's key and body.
    #[arg(long, default_value = "0", value_parser = percent)]
    duplicate_percent: f64,
    /// A header of every request, NAME:VALUE; may be repeated.
    #[arg(long = "header", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Replays the same requests, and is the first part of every key.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The method of every request.
    #[arg(long, default_value = "POST")]
    method: Method,
    /// How long a client waits for its answer.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// How long a client that was told 503 waits before its next request.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    backoff: Duration,
    /// Where to write the book, one JSON object a request.
    #[arg(long)]
    book: Option<PathBuf>,
    /// JSON of an accepted request's answer, {key} its key.
    #[arg(long, default_value = r#"{"status":"accepted","trackingId":"{key}"}"#)]
    accepted_body: String,
    /// Accept any answer: for servers that are not the filter.
    #[arg(long, conflicts_with_all = ["settle", "accepted_body"])]
    unchecked: bool,
    /// Compare the book with that of the emulator at this URL.
    #[arg(long, requires = "entities")]
    settle: Option<Target>,
    /// The queue or topic to compare; several count as one, and a message may be in one of them.
    #[arg(long = "entity", requires = "settle")]
    entities: Vec<String>,
    /// The entity does not detect duplicates: a doubtful request may be stored more than once.
    #[arg(long, requires = "settle")]
    no_duplicate_detection: bool,
}

/// Runs the load and prints what came of it; whether all is well.
///
/// # Errors
///
/// The options contradict each other, or a book cannot be written or read.
pub async fn execute(options: &Options) -> Result<bool, Box<dyn Error>> {
    let load = options.load()?;
    // A run of an hour must not end at a path that cannot be written.
    let book = options.book.as_deref().map(create).transpose()?;
    let run = run::run(load).await?;
    if let Some(book) = book {
        book::write(&run.entries, book)?;
    }
    let mut summary = Summary::new(options.seed, &run);
    print_wrong(&run);
    if let Some(emulator) = &options.settle {
        summary.settlement = Some(options.settle(&run, emulator).await?);
    }
    serde_json::to_writer(io::stdout(), &summary)?;
    println!();
    let reached = !summary.statuses.is_empty() || summary.aborted > 0 || summary.requests == 0;
    if !reached {
        eprintln!("no request was answered");
    }
    let balanced = summary.settlement.as_ref().is_none_or(|it| it.violations == 0);
    Ok(summary.wrong == 0 && balanced && reached)
}

impl Options {
    /// The run that the options describe.
    ///
    /// # Errors
    ///
    /// The options contradict each other.
    pub fn load(&self) -> Result<Load, String> {
        Ok(Load {
            target: self.url.clone(),
            template: Template::new(self.method.clone(), &self.url, &self.headers)?,
            plan: Plan {
                seed: self.seed,
                abort_percent: self.abort_percent,
                abort_within: self.abort_within,
                body_bytes: self.body_bytes.clone(),
                chunked_percent: self.chunked_percent,
                duplicate_percent: self.duplicate_percent,
            },
            check: if self.unchecked {
                Check::Nothing
            } else {
                Check::contract(&self.accepted_body)?
            },
            requests: self.requests,
            connections: self.connections,
            timeout: self.timeout,
            backoff: self.backoff,
        })
    }

    async fn settle(&self, run: &Run, emulator: &Target) -> Result<Settlement, String> {
        let mut all = Ledger::default();
        for entity in &self.entities {
            all.add(settle::ledger(emulator, entity).await?);
        }
        let violations = settle::balance(&run.entries, &all.messages, !self.no_duplicate_detection);
        print_first("violation", &violations);
        Ok(Settlement {
            entities: self.entities.clone(),
            stored: all.stored,
            duplicates: all.duplicates,
            violations: violations.len(),
        })
    }
}

fn create(path: &Path) -> Result<File, String> {
    File::create(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn print_wrong(run: &Run) {
    let wrong: Vec<_> = run
        .entries
        .iter()
        .filter_map(|entry| {
            let wrong = entry.wrong.as_ref()?;
            Some(format!("{} ({}): {wrong}", entry.key, entry.label()))
        })
        .collect();
    print_first("wrong answer", &wrong);
}

fn print_first(kind: &str, findings: &[impl ToString]) {
    for finding in findings.iter().take(SHOWN) {
        eprintln!("{kind}: {}", finding.to_string());
    }
    if let Some(more @ 1..) = findings.len().checked_sub(SHOWN) {
        eprintln!("{kind}: and {more} more");
    }
}

fn connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..) => Ok(count),
        _ => Err("expected a number from 1".to_owned()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("expected a number from 0 to 100".to_owned()),
    }
}

fn sizes(text: &str) -> Result<RangeInclusive<usize>, String> {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    match (least.parse(), most.parse()) {
        (Ok(least), Ok(most)) if least <= most => Ok(least..=most),
        _ => Err("expected a size such as 100, or sizes such as 50..4096".to_owned()),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let expected = || "expected a header such as x-tenant:contoso".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(expected)?;
    match (name.parse(), value.trim().parse()) {
        (Ok(name), Ok(value)) => Ok((name, value)),
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_options_agree_with_each_other() {
        Options::command().debug_assert();
    }

    #[test]
    fn values_are_read_or_refused_with_an_example() {
        assert_eq!(sizes("50..4096"), Ok(50..=4096));
        assert_eq!(sizes("7"), Ok(7..=7));
        let expected = "expected a size such as 100, or sizes such as 50..4096";
        assert_eq!(sizes("9..7").unwrap_err(), expected);
        assert_eq!(sizes("a").unwrap_err(), expected);
        assert_eq!(percent("0.5"), Ok(0.5));
        for bad in ["101", "-1", "NaN", "x"] {
            assert_eq!(percent(bad).unwrap_err(), "expected a number from 0 to 100");
        }
        assert_eq!(connections("0").unwrap_err(), "expected a number from 1");
        assert_eq!(header("x-a: b"), Ok(("x-a".parse().unwrap(), "b".parse().unwrap())));
        for bad in ["x-a", "x a:b", "x-a:b\nc"] {
            assert_eq!(header(bad).unwrap_err(), "expected a header such as x-tenant:contoso");
        }
    }
}
