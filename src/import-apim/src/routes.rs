//! The ends of a policy as routes: the first that matches is taken.

use crate::flow::{Flow, State};
use crate::plan::{self, Plan};
use crate::position::Position;
use crate::report::Report;
use crate::value::Matched;
use crate::xml::Element;

/// A plan with its conditions; without a plan, requests that the filter does not take.
#[derive(Clone, Debug)]
pub(crate) struct Route<'a> {
    pub(crate) matches: Vec<Matched>,
    pub(crate) plan: Option<Plan>,
    /// Where the policy answers these requests itself, without a message.
    answered: Option<&'a Element>,
}

const ANSWERED: &str = "answers some requests before a message is sent; here they are sent as well: \
                        let rbac, or a route with direct_response, answer them before the filter";
const PASSED: &str = "sends some requests only; here all are sent: give the others a match of their \
                      own, or a route before the filter";
const APART: &str = "its condition can be neither a `match` nor the choice of a value: only what \
                     stands after it, or under `otherwise`, is turned";

const UNTOUCHED: &str = "answers some requests without a message; the filter lets them go on: let a \
                         route with direct_response answer them";

/// The routes of a flow, in their order.
pub(crate) fn of<'a>(flow: Flow<'a>, report: &mut Report) -> Vec<Route<'a>> {
    let routes = apart(flow, report);
    if routes.iter().any(|route| route.plan.is_some()) {
        for element in routes.iter().filter_map(|route| route.answered) {
            report.skip(element, UNTOUCHED);
        }
    }
    routes
}

fn apart<'a>(flow: Flow<'a>, report: &mut Report) -> Vec<Route<'a>> {
    match flow {
        Flow::End(state) => vec![end(*state, report)],
        Flow::Fork { at, condition, then, otherwise } => {
            let mut first = apart(*then, report);
            let mut second = apart(*otherwise, report);
            if let ([one], [other]) = (first.as_slice(), second.as_slice())
                && one.plan == other.plan
                && one.answered.is_none()
                && other.matches.is_empty()
            {
                return second;
            }
            let sends = |routes: &[Route<'_>]| routes.iter().any(|route| route.plan.is_some());
            if !condition.matches.is_empty() {
                // What is not taken cannot be kept from the routes after it.
                if sends(&second) {
                    lose(&first, at, report);
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
            if sends(&lost) {
                report.leave_out(at, "choose", APART);
            }
            lose(&lost, at, report);
            kept
        }
    }
}

/// Tells of requests without a message, which here take another's route.
fn lose(routes: &[Route<'_>], at: Position, report: &mut Report) {
    for route in routes.iter().filter(|route| route.plan.is_none()) {
        match route.answered {
            Some(element) => report.skip(element, ANSWERED),
            None => report.leave_out(at, "choose", PASSED),
        }
    }
}

fn end<'a>(state: State<'a>, report: &mut Report) -> Route<'a> {
    let answered = state.returned;
    let plan = plan::plan(state, report);
    Route { matches: vec![], answered: answered.filter(|_| plan.is_none()), plan }
}
