//! What could not be turned, with its place and the reason.

use crate::lexer::Unreadable;
use crate::position::Position;
use crate::reference;
use crate::term::{Scope, Term};
use crate::translate;
use crate::value::Value;
use crate::xml::{Content, Element, Unread};

/// What could not be turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it stands.
    pub at: Position,
    /// The element or attribute.
    pub what: String,
    /// Why, and what to do instead.
    pub why: String,
}

/// Collects them.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) left_out: Vec<LeftOut>,
}

/// What a content stands for. What of it could not be turned is told only where it is used.
#[derive(Clone, Debug)]
pub(crate) struct Evaluated {
    at: Position,
    result: Result<Term, Unreadable>,
    skipped: Vec<(String, Unreadable)>,
    notes: Vec<Unreadable>,
}

const KEEPS_TYPE: &str = "a number or boolean of the request keeps its type, here and wherever else \
                          its text is asked for: write ${string(…)} where it must not";
const DELAY: &str = "a time after now can stand in ScheduledEnqueueTimeUtc alone";

impl Evaluated {
    pub(crate) fn new(content: &Content, scope: &mut Scope) -> Self {
        let result = translate::term(content, scope);
        let skipped = std::mem::take(&mut scope.skipped);
        let notes = std::mem::take(&mut scope.notes);
        Self { at: content.at, result, skipped, notes }
    }

    /// Of a text that the policy does not write down.
    pub(crate) const fn fixed(at: Position, value: Value) -> Self {
        let result = Ok(Term::Value(value));
        Self { at, result, skipped: vec![], notes: vec![] }
    }

    /// The value, as far as other expressions may refer to it: not without a member that was lost.
    pub(crate) fn value(&self) -> Option<Value> {
        match self.term() {
            Ok(Term::Value(value)) => Some(value.clone()),
            _ => None,
        }
    }

    /// Why it is of no use where it stands.
    pub(crate) fn unreadable(&self, message: &str) -> Unreadable {
        Unreadable { at: self.at, message: message.to_owned() }
    }

    /// What it stands for; an object that has lost a member stands for none.
    pub(crate) fn term(&self) -> Result<&Term, &Unreadable> {
        match self.skipped.first() {
            Some((_, unreadable)) => Err(unreadable),
            None => self.result.as_ref(),
        }
    }
}

impl Report {
    pub(crate) fn leave_out(&mut self, at: Position, what: &str, why: &str) {
        let (what, why) = (what.to_owned(), why.to_owned());
        self.left_out.push(LeftOut { at, what, why });
    }

    /// Tells what differs in a value that others refer to.
    pub(crate) fn tell_notes(&mut self, what: &str, evaluated: &Evaluated) {
        for Unreadable { at, message } in &evaluated.notes {
            self.note(*at, what, message);
        }
    }

    /// Leaves out an element with all that is in it.
    pub(crate) fn skip(&mut self, element: &Element, why: &str) {
        element.dismiss();
        self.leave_out(element.at, &element.name, why);
    }

    /// The value of a content; what of it cannot be turned is told.
    pub(crate) fn value(
        &mut self,
        what: &str,
        content: &Content,
        scope: &mut Scope,
    ) -> Option<Value> {
        self.take(what, &Evaluated::new(content, scope))
    }

    /// A value that is used; what of it could not be turned is told.
    pub(crate) fn take(&mut self, what: &str, evaluated: &Evaluated) -> Option<Value> {
        let value = self.take_any(what, evaluated)?;
        if value.has_delay() {
            self.leave_out(evaluated.at, what, DELAY);
            return None;
        }
        if value.keeps_type() {
            self.note(evaluated.at, what, KEEPS_TYPE);
        }
        Some(value)
    }

    /// Once is enough to know it.
    fn note(&mut self, at: Position, what: &str, why: &str) {
        if !self.left_out.iter().any(|one| one.why == why) {
            self.leave_out(at, what, why);
        }
    }

    /// A value that may be a time after now, and is a text whatever it is made of.
    pub(crate) fn take_any(&mut self, what: &str, evaluated: &Evaluated) -> Option<Value> {
        for (member, Unreadable { at, message }) in &evaluated.skipped {
            self.leave_out(*at, &format!("{what}: member {member:?}"), message);
        }
        let value = match &evaluated.result {
            Ok(Term::Value(value)) => Ok(value),
            Ok(Term::Object(_)) => Err("this has no counterpart here".to_owned()),
            Err(Unreadable { message, .. }) => Err(message.clone()),
        };
        self.tell_notes(what, evaluated);
        match value {
            Ok(value) => Some(value.clone()),
            Err(message) => {
                let at = evaluated.result.as_ref().err().map_or(evaluated.at, |error| error.at);
                self.leave_out(at, what, &message);
                None
            }
        }
    }

    /// Lists all that nothing has read.
    pub(crate) fn list_unread(&mut self, root: &Element) {
        let mut unread = vec![];
        root.unread(&mut unread);
        for one in unread {
            match one {
                Unread::Element(element) => {
                    self.leave_out(element.at, &element.name, reference::reason(&element.name));
                }
                Unread::Attribute(element, attribute) => {
                    if !reference::has_no_effect(&element.name, &attribute.name) {
                        let what = format!("{} {}", element.name, attribute.name);
                        let why = match element.repeats(attribute) {
                            true => "stands here a second time",
                            false => reference::reason_of_attribute(&element.name, &attribute.name),
                        };
                        self.leave_out(attribute.at, &what, why);
                    }
                }
                Unread::Text(element, at) => {
                    self.leave_out(at, &element.name, "this text has no effect that is understood");
                }
            }
        }
    }
}
