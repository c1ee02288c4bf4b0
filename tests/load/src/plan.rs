//! What each request will be, drawn from the seed alone: request `n` is the
//! same in every run, whichever connection carries it and whenever.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use fastrand::Rng;

/// How far back a repeated key may reach, so that a long run stays within the
/// broker's duplicate detection window.
const REPEAT_WITHIN: u64 = 1000;

/// What a run's requests are drawn from.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Makes the run repeatable, and is the first part of every key.
    pub seed: u64,
    /// Share of requests whose client goes away early, 0 to 100.
    pub abort_percent: f64,
    /// The longest a client that goes away waits before it does.
    pub abort_within: Duration,
    /// Sizes of the bodies.
    pub body_bytes: RangeInclusive<usize>,
    /// Share of requests with `transfer-encoding: chunked`, 0 to 100.
    pub chunked_percent: f64,
    /// Share of requests that repeat an earlier request's key and body, 0 to 100.
    pub duplicate_percent: f64,
}

/// One request as planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The `Idempotency-Key`: of its own, or of the earlier request that it repeats.
    pub key: Key,
    /// Size of the body.
    pub body_bytes: usize,
    /// Number of chunks, if the body is chunked.
    pub chunks: Option<usize>,
    /// How the client goes away, if it does.
    pub abort: Option<Abort>,
}

/// The key `seed-n` of the request that first used it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The run's seed.
    pub seed: u64,
    /// The request's number.
    pub n: u64,
}

/// How a client goes away before it has its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Abort {
    /// At which point of the request.
    pub moment: Moment,
    /// Whether the socket ends with a reset, else with an orderly close.
    pub reset: bool,
}

/// The point of a request at which its client goes away.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// Part of the request is sent, the rest never.
    Sending {
        /// Which part of the body is sent, 0 to 1.
        share: f64,
        /// The wait after that part.
        then: Duration,
    },
    /// At once after the last byte.
    Sent,
    /// A while after the last byte, if there is no answer by then.
    Waiting(Duration),
}

impl Plan {
    /// Request number `n`.
    pub fn request(&self, n: u64) -> Planned {
        let origin = self.origin(n);
        let mut body = self.draws(origin, Purpose::Body);
        let mut delivery = self.draws(n, Purpose::Delivery);
        Planned {
            key: Key { seed: self.seed, n: origin },
            body_bytes: body.usize(self.body_bytes.clone()),
            chunks: hits(&mut delivery, self.chunked_percent).then(|| delivery.usize(1..=4)),
            abort: hits(&mut delivery, self.abort_percent).then(|| self.abort(&mut delivery)),
        }
    }

    /// The request whose key and body request `n` carries.
    fn origin(&self, mut n: u64) -> u64 {
        while n > 0 {
            let mut draws = self.draws(n, Purpose::Repeat);
            if !hits(&mut draws, self.duplicate_percent) {
                break;
            }
            n = draws.u64(n.saturating_sub(REPEAT_WITHIN)..n);
        }
        n
    }

    fn abort(&self, draws: &mut Rng) -> Abort {
        let longest = u64::try_from(self.abort_within.as_micros()).unwrap_or(u64::MAX);
        let wait = |draws: &mut Rng| Duration::from_micros(draws.u64(0..=longest));
        let moment = match draws.u8(0..3) {
            0 => Moment::Sending { share: draws.f64(), then: wait(draws) },
            1 => Moment::Sent,
            _ => Moment::Waiting(wait(draws)),
        };
        Abort { moment, reset: draws.bool() }
    }

    fn draws(&self, n: u64, purpose: Purpose) -> Rng {
        // Neighbouring seeds must not draw alike, hence the odd multipliers.
        let stream = self
            .seed
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(n)
            .wrapping_mul(0xD1B5_4A32_D192_ED03)
            .wrapping_add(purpose as u64);
        let mut draws = Rng::with_seed(stream.wrapping_mul(0x2545_F491_4F6C_DD1D));
        draws.u64(..);
        draws
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.seed, self.n)
    }
}

/// Each purpose draws on its own, so that an option does not shift the others.
#[derive(Clone, Copy)]
enum Purpose {
    Body,
    Delivery,
    Repeat,
}

fn hits(draws: &mut Rng, percent: f64) -> bool {
    draws.f64() * 100.0 < percent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64) -> Plan {
        Plan {
            seed,
            abort_percent: 20.0,
            abort_within: Duration::from_millis(20),
            body_bytes: 50..=4096,
            chunked_percent: 10.0,
            duplicate_percent: 5.0,
        }
    }

    fn requests(plan: &Plan) -> Vec<Planned> {
        (0..10_000).map(|n| plan.request(n)).collect()
    }

    #[test]
    fn a_seed_replays_to_the_same_requests() {
        assert_eq!(requests(&plan(1)), requests(&plan(1)));
        assert_ne!(requests(&plan(1)), requests(&plan(2)));
    }

    #[test]
    fn shares_come_out_as_asked() {
        let drawn = requests(&plan(1));
        let near = |count: usize, wanted: usize| count.abs_diff(wanted) < wanted / 5;
        assert!(near(drawn.iter().filter(|r| r.abort.is_some()).count(), 2000));
        assert!(near(drawn.iter().filter(|r| r.chunks.is_some()).count(), 1000));
        let repeats = drawn.iter().enumerate().filter(|(n, r)| r.key.n != *n as u64).count();
        assert!(near(repeats, 500), "{repeats} repeats");
        for moment in 0..3 {
            let count = drawn
                .iter()
                .filter_map(|r| r.abort.as_ref())
                .filter(|abort| match abort.moment {
                    Moment::Sending { .. } => moment == 0,
                    Moment::Sent => moment == 1,
                    Moment::Waiting(_) => moment == 2,
                })
                .count();
            assert!(near(count, 666), "{count} aborts at moment {moment}");
        }
    }

    #[test]
    fn nothing_is_drawn_outside_its_range() {
        for request in requests(&plan(3)) {
            assert!((50..=4096).contains(&request.body_bytes));
            assert!(request.chunks.is_none_or(|chunks| (1..=4).contains(&chunks)));
            if let Some(Abort { moment: Moment::Waiting(wait), .. }) = request.abort {
                assert!(wait <= Duration::from_millis(20));
            }
        }
    }

    #[test]
    fn a_repeat_carries_the_body_and_the_key_of_a_request_not_long_before() {
        let plan = plan(1);
        for (n, request) in requests(&plan).into_iter().enumerate() {
            let origin = plan.request(request.key.n);
            assert_eq!((origin.key, origin.body_bytes), (request.key, request.body_bytes));
            assert!(n as u64 - request.key.n <= 3 * REPEAT_WITHIN, "{n} repeats {}", request.key);
        }
    }

    #[test]
    fn zero_and_a_hundred_percent_are_never_and_always() {
        let none = Plan { abort_percent: 0.0, duplicate_percent: 0.0, ..plan(1) };
        assert!(requests(&none).iter().all(|r| r.abort.is_none()));
        assert!(requests(&none).iter().enumerate().all(|(n, r)| r.key.n == n as u64));
        let all = Plan { abort_percent: 100.0, duplicate_percent: 100.0, ..plan(1) };
        assert!(requests(&all).iter().all(|r| r.abort.is_some() && r.key.n == 0));
    }
}
