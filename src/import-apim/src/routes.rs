//! The ends of a policy as routes: the first that matches is taken.

use crate::flow::{Flow, State};
use crate::plan::{self, Plan};
use crate::report::Report;
use crate::value::Matched;

/// A plan with its conditions; without a plan, requests that the filter does not take.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) matches: Vec<Matched>,
    pub(crate) plan: Option<Plan>,
    /// Whether the policy answers these requests itself, without a message.
    is_answered: bool,
}

const ANSWERED: &str = "answers some requests before a message is sent; here they are sent as well: \
                        let rbac, or a route with direct_response, answer them before the filter";
const PASSED: &str = "sends some requests only; here all are sent: give the others a match of their \
                      own, or a route before the filter";
const APART: &str = "its condition can be neither a `match` nor the choice of a value: only what \
                     stands after it, or under `otherwise`, is turned";

/// The routes of a flow, in their order.
pub(crate) fn of(flow: Flow<'_>, report: &mut Report) -> Vec<Route> {
    match flow {
        Flow::End(state) => vec![end(*state, report)],
        Flow::Fork { at, condition, then, otherwise } => {
            let mut first = of(*then, report);
            let mut second = of(*otherwise, report);
            if let ([one], [other]) = (first.as_slice(), second.as_slice())
                && one.plan == other.plan
                && other.matches.is_empty()
            {
                return second;
            }
            let sends = |routes: &[Route]| routes.iter().any(|route| route.plan.is_some());
            if !condition.matches.is_empty() {
                // What is not taken cannot be kept from the routes after it.
                let hides = sends(&second);
                if hides && let Some(lost) = first.iter().find(|route| route.plan.is_none()) {
                    report.leave_out(
                        at,
                        "choose",
                        if lost.is_answered { ANSWERED } else { PASSED },
                    );
                    first.retain(|route| route.plan.is_some());
                }
                for route in &mut first {
                    route.matches.splice(0..0, condition.matches.iter().cloned());
                }
                first.append(&mut second);
                return first;
            }
            if let ([one], [other]) = (first.as_slice(), second.as_slice())
                && let (Some(yes), Some(no)) = (&one.plan, &other.plan)
                && one.matches.is_empty()
                && other.matches.is_empty()
                && let Some(merged) = plan::merge(&condition, yes, no)
            {
                return vec![Route { plan: Some(merged), ..one.clone() }];
            }
            let (kept, lost) = if sends(&second) { (second, first) } else { (first, second) };
            let why = match lost.iter().find(|route| route.plan.is_none()) {
                _ if sends(&lost) => APART,
                Some(route) if route.is_answered => ANSWERED,
                _ => PASSED,
            };
            report.leave_out(at, "choose", why);
            kept
        }
    }
}

fn end(state: State<'_>, report: &mut Report) -> Route {
    let is_answered = state.returned.is_some();
    Route { matches: vec![], plan: plan::plan(state, report), is_answered }
}
