//! A fleet in one process: up to a thousand workers against one namespace that has a limit, an outage
//! and slow minutes, and clients that send again.
//!
//! ```text
//! cargo test --test fleet -- --nocapture          # the table
//! FLEET_PICTURES=docs/fleet cargo test --test fleet   # and the pictures
//! ```

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail by panic"
)]

mod broker;
#[path = "../common/mod.rs"]
mod common;
mod fleet;
mod picture;
mod report;
mod scenario;

use std::fs;
use std::thread;

use fleet::Fleet;
use report::Report;
use scenario::{Client, SCENARIOS};

/// What retries may add to the sends: the budget's fifth, and what a worker has at first.
const BUDGET: f64 = 0.2;
const AT_FIRST: usize = 10;

#[test]
fn a_fleet_bears_what_a_fleet_meets() {
    let reports = reports();
    println!(
        "| | sends per request | sends per stored | duplicates | recovery s | given up | held KB |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for report in &reports {
        let recovery = report.recovery().map_or("never".to_owned(), |seconds| seconds.to_string());
        println!(
            "| {} | {:.2} | {:.2} | {} | {recovery} | {} | {} |",
            report.scenario.name,
            report.sends_per_request(),
            report.sends_per_stored(),
            report.duplicates,
            report.given_up,
            report.most_held / 1024,
        );
    }
    if let Ok(folder) = std::env::var("FLEET_PICTURES") {
        fs::create_dir_all(&folder).unwrap();
        for report in &reports {
            let name = report.scenario.name.replace(", ", "-").replace(' ', "-");
            fs::write(format!("{folder}/{name}.svg"), picture::svg(report)).unwrap();
        }
    }
    for report in &reports {
        let name = report.scenario.name;
        let workers = report.scenario.envoys * report.scenario.workers_of_each;
        let most = report.submissions as f64 * (1.0 + BUDGET) + (workers * AT_FIRST) as f64;
        assert!(report.sent as f64 <= most, "{name}: {} sends, {most} at most", report.sent);
        assert!(report.recovery().is_some(), "{name}: goodput does not come back");
        if report.scenario.client == Client::WithKey && report.scenario.trouble.is_none() {
            assert_eq!(report.duplicates, 0, "{name}");
        }
    }
}

fn reports() -> Vec<Report> {
    let halves = SCENARIOS.chunks(SCENARIOS.len().div_ceil(2));
    let threads: Vec<_> = halves
        .map(|half| thread::spawn(move || half.iter().copied().map(Fleet::run).collect::<Vec<_>>()))
        .collect();
    threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
}
