//! The command `service-bus-fuel`: what the filter's module does for a request, counted.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use service_bus_fuel::hostile::{self, Tally};
use service_bus_fuel::scenario::{Cost, SCENARIOS, rough};
use service_bus_fuel::worker::Compiled;

/// Counts what the filter's module does for a request: instructions, calls to Envoy, calls from
/// Envoy. The same module gives the same figures on each machine.
#[derive(Debug, Parser)]
struct Options {
    /// The module.
    #[arg(long)]
    module: PathBuf,
    /// Fail when a request costs more than this file says.
    #[arg(long)]
    expected: Option<PathBuf>,
    /// Write that file.
    #[arg(long, requires = "expected")]
    write: bool,
    /// Fail unless work and memory stay the same over so many requests, some of them broken off.
    #[arg(long, value_name = "REQUESTS")]
    endurance: Option<usize>,
    /// Fail when the module breaks a law before so many hosts at random.
    #[arg(long, value_name = "HOSTS")]
    hostile: Option<u64>,
    /// Where their randomness begins; a finding names its own.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Also show which calls to Envoy there were, a thousand requests.
    #[arg(long)]
    calls: bool,
}

/// More of a kind tell nothing new.
const MOST_FINDINGS: usize = 5;

type Costs = BTreeMap<String, Cost>;

/// What a change that is none may add, as a compiler may choose other instructions.
const TOLERANCE_PERCENT: u64 = 3;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
        Ok(findings) => {
            for finding in findings {
                eprintln!("service-bus-fuel: {finding}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("service-bus-fuel: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<Vec<String>, Box<dyn Error>> {
    let wasm = std::fs::read(&options.module)?;
    if let Some(hosts) = options.hostile {
        return hostile_hosts(&wasm, options.seed, hosts);
    }
    let mut costs = Costs::new();
    println!("{:20} {:>8} {:>11} {:>8}", "one request", "fuel", "host calls", "entries");
    for scenario in SCENARIOS {
        let cost = scenario.cost(&wasm)?;
        println!(
            "{:20} {:>8} {:>11} {:>8}",
            scenario.name,
            cost.fuel,
            hundredths(cost.host_calls_of_100),
            hundredths(cost.entries_of_100)
        );
        if options.calls {
            let mut worker = scenario.start(&wasm)?;
            scenario.play(&mut worker, 1000)?;
            for (name, number) in &worker.host().calls_by_name {
                println!("  {name:40} {number:>6}");
            }
        }
        costs.insert(scenario.name.to_owned(), cost);
    }
    let mut findings = vec![];
    if let Some(path) = &options.expected {
        if options.write {
            std::fs::write(path, format!("{}\n", serde_json::to_string_pretty(&costs)?))?;
        } else {
            let expected = serde_json::from_slice(&std::fs::read(path)?)?;
            findings.extend(dearer(&expected, &costs));
        }
    }
    if let Some(requests) = options.endurance {
        findings.extend(endurance(&wasm, requests)?);
    }
    Ok(findings)
}

fn hundredths(number: u64) -> String {
    format!("{}.{:02}", number / 100, number % 100)
}

/// Where a request costs more than expected.
fn dearer(expected: &Costs, found: &Costs) -> Vec<String> {
    let mut findings = vec![];
    for (name, found) in found {
        let Some(expected) = expected.get(name) else {
            findings.push(format!("{name}: nothing is expected"));
            continue;
        };
        for (what, found, expected) in [
            ("fuel", found.fuel, expected.fuel),
            ("host calls of 100", found.host_calls_of_100, expected.host_calls_of_100),
            ("entries of 100", found.entries_of_100, expected.entries_of_100),
        ] {
            let most = expected + expected * TOLERANCE_PERCENT / 100;
            if found > most {
                findings.push(format!("{name}: {what}: {found}, expected {most} at most"));
            }
        }
    }
    findings
}

/// What the module has done wrong before hosts at random.
fn hostile_hosts(wasm: &[u8], seed: u64, hosts: u64) -> Result<Vec<String>, Box<dyn Error>> {
    let compiled = Compiled::new(wasm)?;
    let mut findings = vec![];
    let mut tally = Tally::default();
    for seed in seed..seed + hosts {
        let mut random = fastrand::Rng::with_seed(seed);
        let script: Vec<u8> = (0..random.usize(10..800)).map(|_| random.u8(..)).collect();
        match hostile::run(&compiled, &script) {
            Ok(found) => tally += found,
            Err(error) => findings.push(format!("--hostile 1 --seed {seed}: {error}")),
        }
        if findings.len() >= MOST_FINDINGS {
            break;
        }
    }
    println!("{hosts} hosts, {tally:?}, {} findings", findings.len());
    Ok(findings)
}

/// What has grown while requests came and went.
fn endurance(wasm: &[u8], requests: usize) -> Result<Vec<String>, Box<dyn Error>> {
    let mut findings = vec![];
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.endures()) {
        let mut worker = scenario.start(wasm)?;
        rough(&mut worker, requests / 10)?;
        let before = (scenario.measure(&mut worker)?, worker.memory());
        rough(&mut worker, requests)?;
        let after = (scenario.measure(&mut worker)?, worker.memory());
        let (name, most) = (scenario.name, before.0.fuel + before.0.fuel / 100);
        println!(
            "{name}: {} B of memory before {requests} requests, {} B after",
            before.1, after.1
        );
        if after.0.fuel > most {
            let fuel = after.0.fuel;
            findings.push(format!("{name}: fuel after {requests} requests: {fuel}, {most} before"));
        }
        if after.1 > before.1 {
            findings.push(format!("{name}: memory has grown from {} to {} B", before.1, after.1));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(fuel: u64, host_calls_of_100: u64) -> Costs {
        let cost = Cost { fuel, host_calls_of_100, entries_of_100: 700 };
        Costs::from([("raw".to_owned(), cost)])
    }

    #[test]
    fn a_little_more_is_within_tolerance() {
        assert_eq!(dearer(&costs(1000, 900), &costs(1030, 900)), [""; 0]);
        assert_eq!(dearer(&costs(1000, 900), &costs(500, 800)), [""; 0]);
    }

    #[test]
    fn more_is_named() {
        assert_eq!(
            dearer(&costs(1000, 900), &costs(1031, 1000)),
            [
                "raw: fuel: 1031, expected 1030 at most",
                "raw: host calls of 100: 1000, expected 927 at most"
            ]
        );
    }

    #[test]
    fn what_nobody_has_counted_yet_is_named() {
        assert_eq!(dearer(&Costs::new(), &costs(1, 1)), ["raw: nothing is expected"]);
    }
}
