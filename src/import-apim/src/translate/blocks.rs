//! Blocks of statements, `@{…}`.

use super::operators::text_of;
use super::{TREE, Translator};
use crate::expr::{Expr, ExprKind, Statement};
use crate::lexer::Unreadable;
use crate::term::{Term, choice, fail};
use crate::value::Value;

/// Conditions of a block; what follows them is translated for each of their outcomes.
const CONDITIONS: usize = 6;

impl Translator<'_> {
    /// What the block returns, if it returns.
    pub(super) fn block(&mut self, steps: &[&Statement]) -> Result<Option<Term>, Unreadable> {
        self.branch(steps, 0)
    }

    fn branch(&mut self, steps: &[&Statement], depth: usize) -> Result<Option<Term>, Unreadable> {
        let mut rest = steps.iter();
        while let Some(step) = rest.next() {
            match step {
                Statement::Return(expr) => return self.term(expr).map(Some),
                Statement::Local(name, expr) => {
                    let term = self.term(expr);
                    self.locals.insert(name.clone(), term);
                }
                Statement::Assign(target, expr) => self.assign(target, expr)?,
                Statement::Call(expr) => self.add(expr)?,
                Statement::If(condition, then, otherwise) => {
                    let after: Vec<_> = rest.copied().collect();
                    let follow = |branch: &'_ [Statement]| -> Vec<Statement> {
                        branch.iter().chain(after.iter().copied()).cloned().collect()
                    };
                    return self.choose(condition, (&follow(then), &follow(otherwise)), depth + 1);
                }
            }
        }
        Ok(None)
    }

    fn choose(
        &mut self,
        condition: &Expr,
        (then, otherwise): (&[Statement], &[Statement]),
        depth: usize,
    ) -> Result<Option<Term>, Unreadable> {
        if depth > CONDITIONS {
            return fail(condition, "too many conditions in one block");
        }
        let (then, otherwise): (Vec<_>, Vec<_>) =
            (then.iter().collect(), otherwise.iter().collect());
        let value = self.value(condition)?;
        if let Some(holds) = value.as_bool() {
            return self.branch(if holds { &then } else { &otherwise }, depth);
        }
        let code = value.operand().map_or_else(|| fail(condition, TREE), Ok)?;
        let variables = self.scope.variables.clone();
        let locals = self.locals.clone();
        let yes = self.branch(&then, depth)?;
        if self.scope.variables != variables {
            return fail(condition, "a variable of the policy is set under this condition");
        }
        self.locals = locals;
        let no = self.branch(&otherwise, depth)?;
        match (yes, no) {
            (Some(Term::Value(yes)), Some(Term::Value(no))) => {
                let chosen = choice(&code, &yes, &no);
                chosen.map_or_else(|| fail(condition, TREE), |it| Ok(Some(Term::Value(it))))
            }
            _ => fail(condition, "this condition has no counterpart here"),
        }
    }

    fn assign(&mut self, target: &Expr, value: &Expr) -> Result<(), Unreadable> {
        match &target.kind {
            ExprKind::Name(name) if self.locals.contains_key(name) => {
                let term = self.term(value);
                self.locals.insert(name.clone(), term);
                Ok(())
            }
            ExprKind::Index(inner, key) => {
                let key = text_of(key)?;
                match &inner.kind {
                    ExprKind::Name(local) => self.insert(target, local, key, value),
                    ExprKind::Member(object, name)
                        if name == "Variables"
                            && matches!(&object.kind, ExprKind::Name(it) if it == "context") =>
                    {
                        let term = self.term(value);
                        self.scope.variables.insert(key, term);
                        Ok(())
                    }
                    _ => fail(target, ASSIGNMENT),
                }
            }
            _ => fail(target, ASSIGNMENT),
        }
    }

    /// `local.Add("name", value)`.
    fn add(&mut self, expr: &Expr) -> Result<(), Unreadable> {
        if let ExprKind::Call(callee, arguments) = &expr.kind
            && let ExprKind::Member(inner, name) = &callee.kind
            && let (ExprKind::Name(local), "Add") = (&inner.kind, name.as_str())
        {
            match arguments.as_slice() {
                [key, value] => return self.insert(expr, local, text_of(key)?, value),
                [Expr { kind: ExprKind::New(kind, pair, _), .. }] if kind == "JProperty" => {
                    if let [key, value] = pair.as_slice() {
                        return self.insert(expr, local, text_of(key)?, value);
                    }
                }
                [value] => {
                    let item = self.value(value)?;
                    if let Some(Ok(Term::Value(Value::List(items)))) = self.locals.get_mut(local) {
                        items.push(item);
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        fail(expr, "this call has no counterpart here")
    }

    /// Sets a member of an object that the block has made.
    fn insert(
        &mut self,
        target: &Expr,
        local: &str,
        key: String,
        value: &Expr,
    ) -> Result<(), Unreadable> {
        let Some(Ok(Term::Value(Value::Map(members)))) = self.locals.get(local) else {
            return fail(target, "only objects that the block has made can be changed");
        };
        let mut members = members.clone();
        self.object_member(&mut members, key, value);
        self.locals.insert(local.to_owned(), Ok(Term::Value(Value::Map(members))));
        Ok(())
    }
}

const ASSIGNMENT: &str = "this assignment has no counterpart here";
