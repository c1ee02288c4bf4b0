//! Whole lives of gateways at random: several workers that share one memory, clients that leave,
//! clocks that jump, and a broker that knows what it has stored. The laws are in `ledger.rs`,
//! `breaker.rs` and `budget.rs`.
//!
//! Each seed is one gateway with a configuration of its own. A seed that breaks a law is named,
//! and shown with the fewest requests that still break it. To see it again:
//!
//! ```text
//! SIMULATION_SEED=1234 cargo test --test simulation
//! ```
//!
//! `SIMULATION_SEEDS=100` lives fewer, for a first look at a change.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail by panic"
)]

mod breaker;
mod broker;
mod budget;
mod callouts;
#[path = "../common/mod.rs"]
mod common;
mod effects;
mod ledger;
mod memory;
mod replay;
mod setup;
mod tally;
mod worker;
mod world;

use setup::REQUESTS;
use world::{Tally, World};

/// Enough for more than a million events.
const SEEDS: u64 = 2_000;
const THREADS: usize = 2;

#[test]
fn no_law_is_broken_in_a_million_events() {
    if let Some(seed) = replay::wanted() {
        replay::show(seed);
        return;
    }
    let mut all = Tally::default();
    for lives in lives_by_thread() {
        match lives {
            Ok(tally) => all += tally,
            Err((seed, broken)) => replay::report(seed, &broken),
        }
    }
    println!("{all:?}");
    if replay::fewer().is_some() {
        return;
    }
    assert!(all.events >= 1_000_000, "{all:?}");
    // A simulation in which something never happens proves nothing about it.
    for (what, times) in all.named() {
        assert!(times >= 500, "{what}: {all:?}");
    }
}

/// What has happened in all lives, or the first law that was broken, of each thread.
fn lives_by_thread() -> Vec<Result<Tally, (u64, String)>> {
    let live = |first: u64| {
        let mut seeds = (first..replay::fewer().unwrap_or(SEEDS)).step_by(THREADS);
        seeds.try_fold(Tally::default(), |all, seed| {
            let life = replay::caught(|| World::new(seed, REQUESTS).run());
            life.map(|tally| all + tally).map_err(|broken| (seed, broken))
        })
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..).take(THREADS).map(|n| scope.spawn(move || live(n))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
