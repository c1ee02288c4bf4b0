//! What is shown of a seed that has broken a law.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use envoy_service_bus::delivery::Event;
use envoy_service_bus::outcome::Outcome;

use super::setup::REQUESTS;
use super::world::{Tally, World};

thread_local! {
    /// What has happened, while somebody wants to know.
    static TRACE: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The last lines that are shown.
const LINES: usize = 120;

/// The seed that is to be replayed.
pub(crate) fn wanted() -> Option<u64> {
    number("SIMULATION_SEED")
}

/// How many seeds to live, if not all.
pub(crate) fn fewer() -> Option<u64> {
    number("SIMULATION_SEEDS")
}

fn number(variable: &str) -> Option<u64> {
    let number = std::env::var(variable).ok()?;
    Some(number.parse().unwrap_or_else(|_| panic!("{variable} is no number: {number:?}")))
}

/// Keeps a line for those who will ask how it came to this.
pub(crate) fn note(line: impl FnOnce() -> String) {
    TRACE.with_borrow_mut(|trace| {
        if let Some(trace) = trace {
            trace.push(line());
        }
    });
}

/// The law that was broken, if one was.
pub(crate) fn caught(run: impl FnOnce() -> Tally) -> Result<Tally, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
            .unwrap_or_else(|| "a panic without words".to_owned())
    })
}

/// Runs a seed again, with fewer requests at first, and shows the shortest life that breaks a law.
pub(crate) fn show(seed: u64) {
    let fewer = (0..).map(|n| 1 << n).take_while(|requests| *requests < REQUESTS);
    for requests in fewer.chain([REQUESTS]) {
        TRACE.set(Some(vec![]));
        let end = caught(|| World::new(seed, requests).run());
        let trace = TRACE.take().unwrap_or_default();
        if let Err(broken) = end {
            let shown = trace.len().saturating_sub(LINES);
            println!("seed {seed}, {requests} requests, the last of {} lines:", trace.len());
            println!("{}", trace[shown..].join("\n"));
            panic!("seed {seed} with {requests} requests: {broken}");
        }
    }
    println!("seed {seed} breaks no law");
}

/// Ends the test with what is known of a seed.
pub(crate) fn report(seed: u64, broken: &str) -> ! {
    println!("SIMULATION_SEED={seed}: {broken}");
    show(seed);
    panic!("seed {seed} broke a law, and not again: {broken}");
}

/// An event, for the trace.
pub(crate) fn in_short(event: &Event) -> String {
    let what = match event {
        Event::Sent { .. } => "sent",
        Event::Repeated { wait, .. } => return format!("repeated in {wait:?}"),
        Event::FellBack { .. } => "fell back",
        Event::Halved { .. } => "sends a part of a refused batch",
        Event::BreakerOpened { .. } => "breaker opened",
        Event::BreakerClosed { .. } => "breaker closed",
        Event::Credentials { event, .. } => return format!("{event:?}"),
    };
    format!("{what}: {}", event.namespace().as_str())
}

/// What a client is told, for the trace.
pub(crate) fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted => "accepted".to_owned(),
        Outcome::Found(_) => "found".to_owned(),
        Outcome::Failed(failure) => format!("{}: {}", failure.reason.as_str(), failure.cause),
    }
}
