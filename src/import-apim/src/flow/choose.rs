//! `choose`: conditions that are known, that are chosen in a value, or that part the flow.

use std::collections::BTreeSet;

use super::{Flow, Interpreter, Pending, State, Step};
use crate::lexer::Unreadable;
use crate::position::Position;
use crate::report::Evaluated;
use crate::term::{Scope, Term, choice};
use crate::value::{Cel, Matched, Value};
use crate::xml::Element;

/// Ends of one policy, which each condition may double.
const FORKS: usize = 24;

const NEVER: &str = "its condition never holds here";
const FAILED: &str = "stands for a message that failed: say in reply.failures, by reason, what the \
                      client is told";

/// A branch with the condition on which it is taken.
struct Branch<'a> {
    element: &'a Element,
    /// `None` for `otherwise`.
    condition: Option<(Position, Cel)>,
}

/// What is to be done next where the flow does not part, and with what.
type Next<'a> = (Pending<'a>, Box<State<'a>>);

impl<'a> Interpreter<'_, 'a> {
    /// Takes a `choose`. `Err` has what comes next where the flow does not part.
    pub(super) fn choose(
        &mut self,
        element: &'a Element,
        pending: &Pending<'a>,
        mut state: State<'a>,
    ) -> Result<Flow<'a>, Next<'a>> {
        let Some(branches) = self.branches(element, &mut state.scope) else {
            return Err((vec![], Box::new(state)));
        };
        let steps = |element: &'a Element| -> Pending<'a> {
            element.children.iter().rev().map(Step::Element).collect()
        };
        match branches.as_slice() {
            [] => Err((vec![], Box::new(state))),
            [Branch { element, condition: None }] => Err((steps(element), Box::new(state))),
            branches if branches.iter().all(|one| only_variables(one.element)) => {
                self.choose_variables(branches, &mut state);
                Err((vec![], Box::new(state)))
            }
            branches => {
                self.forks += branches.len();
                if self.forks > FORKS {
                    let why = "too many conditions for one policy: import its parts by themselves";
                    self.report.skip(element, why);
                    return Err((vec![], Box::new(state)));
                }
                Ok(self.fork(branches, pending, state))
            }
        }
    }

    fn fork(
        &mut self,
        branches: &[Branch<'a>],
        pending: &Pending<'a>,
        state: State<'a>,
    ) -> Flow<'a> {
        let Some((first, rest)) = branches.split_first() else {
            return self.run(pending.clone(), state);
        };
        let mut steps = pending.clone();
        steps.extend(first.element.children.iter().rev().map(Step::Element));
        match &first.condition {
            None => self.run(steps, state),
            Some((at, condition)) => {
                let then = Box::new(self.run(steps, state.clone()));
                let otherwise = Box::new(self.fork(rest, pending, state));
                Flow::Fork { at: *at, condition: condition.clone(), then, otherwise }
            }
        }
    }

    /// The branches that may be taken; `None` where a condition cannot be turned.
    fn branches(&mut self, element: &'a Element, scope: &mut Scope) -> Option<Vec<Branch<'a>>> {
        element.dismiss_itself();
        let mut branches = vec![];
        let mut is_open = true;
        for branch in &element.children {
            let is_when = branch.name == "when";
            if !is_when && branch.name != "otherwise" {
                continue;
            }
            branch.dismiss_itself();
            let outcome_before = std::mem::replace(&mut scope.reads_outcome, false);
            let holds = match branch.attribute("condition").filter(|_| is_when) {
                Some(content) if is_open => {
                    let condition = Evaluated::new(content, scope);
                    self.report.tell_notes("choose", &condition);
                    match self.condition(&condition) {
                        Ok(holds) => holds.map_err(|cel| (content.at, cel)),
                        Err(Unreadable { at, message }) => {
                            element.dismiss();
                            self.report.leave_out(at, "choose", &message);
                            return None;
                        }
                    }
                }
                _ => Ok(is_open && !is_when),
            };
            let reads_outcome = std::mem::replace(&mut scope.reads_outcome, outcome_before);
            scope.reads_outcome |= reads_outcome;
            match holds {
                Ok(true) => {
                    branches.push(Branch { element: branch, condition: None });
                    is_open = false;
                }
                Ok(false) => {
                    let why = if scope.reads_outcome { FAILED } else { NEVER };
                    branch.dismiss_attribute("condition");
                    if !branch.children.is_empty() {
                        self.report.skip(branch, why);
                    }
                }
                Err(condition) => {
                    branches.push(Branch { element: branch, condition: Some(condition) });
                }
            }
        }
        Some(branches)
    }

    /// Whether a condition always holds or never does, or else the condition.
    fn condition(&self, condition: &Evaluated) -> Result<Result<bool, Cel>, Unreadable> {
        let value = match condition.term() {
            Ok(Term::Value(value)) => value,
            Ok(Term::Object(_)) => return Err(condition.unreadable("this is no condition")),
            Err(error) => return Err(error.clone()),
        };
        match value {
            Value::Json(_) => match value.as_bool() {
                Some(holds) => Ok(Ok(holds)),
                None => Err(condition.unreadable("this is no condition")),
            },
            Value::Cel(cel) => {
                let mut cel = cel.clone();
                let own = Matched::Method(self.operation.method().to_owned());
                let is_method = |one: &Matched| matches!(one, Matched::Method(_));
                if cel.matches.iter().any(|one| is_method(one) && *one != own) {
                    return Ok(Ok(false));
                }
                if !cel.matches.is_empty() {
                    cel.matches.retain(|one| !is_method(one));
                    if cel.matches.is_empty() {
                        return Ok(Ok(true));
                    }
                }
                Ok(Err(cel))
            }
            _ => Err(condition.unreadable("this is no condition")),
        }
    }

    /// Variables that depend on a condition, as values that do.
    fn choose_variables(&mut self, branches: &[Branch<'a>], state: &mut State<'a>) {
        let before = state.scope.clone();
        let mut chosen = before.variables.clone();
        for branch in branches.iter().rev() {
            state.scope = before.clone();
            for child in &branch.element.children {
                self.set_variable(child, state);
            }
            let own = std::mem::take(&mut state.scope.variables);
            let Some((at, condition)) = &branch.condition else {
                chosen = own;
                continue;
            };
            let names: BTreeSet<_> = own.keys().chain(chosen.keys()).cloned().collect();
            let merged = names.into_iter().map(|name| {
                let value = either(condition, *at, own.get(&name), chosen.get(&name));
                (name, value)
            });
            chosen = merged.collect();
        }
        state.scope = before;
        state.scope.variables = chosen;
    }
}

type Variable = Result<Term, Unreadable>;

fn either(
    condition: &Cel,
    at: Position,
    yes: Option<&Variable>,
    no: Option<&Variable>,
) -> Variable {
    if let (Some(yes), Some(no)) = (yes, no)
        && yes == no
    {
        return yes.clone();
    }
    let value = |variable: Option<&Variable>| match variable {
        None => Ok(Value::Json(serde_json::Value::Null)),
        Some(Ok(Term::Value(value))) => Ok(value.clone()),
        Some(Ok(Term::Object(_))) => {
            Err(Unreadable { at, message: "depends on a condition".to_owned() })
        }
        Some(Err(error)) => Err(error.clone()),
    };
    let (yes, no) = (value(yes)?, value(no)?);
    match choice(&condition.operand(), &yes, &no) {
        Some(value) => Ok(Term::Value(value)),
        None => Err(Unreadable { at, message: "depends on a condition".to_owned() }),
    }
}

fn only_variables(element: &Element) -> bool {
    element.children.iter().all(|child| child.name == "set-variable")
}
