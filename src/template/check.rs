//! What an expression may say, found out when it is compiled.

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use super::TemplateError;
use super::names::Names;
use super::path::{Collection, Named, Path, Step};

/// What an expression reads.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reads {
    pub(super) paths: Vec<Path>,
    /// Maps that are read whole, or by a key that is computed.
    pub(super) maps: Vec<Collection>,
    /// Calls of `uuid()`.
    pub(super) uuids: usize,
    /// Whether it goes over a list.
    pub(super) loops: bool,
}

/// Functions of the standard library whose cost is bounded by their arguments.
const FUNCTIONS: [&str; 17] = [
    "bool",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "has",
    "hasValue",
    "int",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "type",
    "uint",
    "value",
    "uuid",
];

pub(super) fn check(
    expression: &IdedExpr,
    offset: impl Fn(u64) -> usize,
    names: &Names,
) -> Result<Reads, TemplateError> {
    let mut walk = Walk { offset, names, reads: Reads::default(), bound: vec![] };
    walk.expression(expression)?;
    Ok(walk.reads)
}

struct Walk<'a, F> {
    offset: F,
    names: &'a Names,
    reads: Reads,
    /// Variables of the loop that the walk is in.
    bound: Vec<&'a str>,
}

impl<'a, F: Fn(u64) -> usize> Walk<'a, F> {
    fn error<T>(&self, id: u64, message: impl Into<String>) -> Result<T, TemplateError> {
        Err(TemplateError { offset: (self.offset)(id), message: message.into() })
    }

    fn expression(&mut self, node: &'a IdedExpr) -> Result<(), TemplateError> {
        if let Some((id, root, steps)) = name(node) {
            return self.name(id, root, &steps);
        }
        match &node.expr {
            Expr::Call(call) => self.call(node.id, call),
            Expr::Comprehension(comprehension) => {
                if !self.bound.is_empty() {
                    return self.error(node.id, "a loop inside a loop is not available");
                }
                self.reads.loops = true;
                self.expression(&comprehension.iter_range)?;
                self.expression(&comprehension.accu_init)?;
                self.bound.push(&comprehension.accu_var);
                self.bound.push(&comprehension.iter_var);
                self.bound.extend(comprehension.iter_var2.as_deref());
                self.expression(&comprehension.loop_cond)?;
                self.expression(&comprehension.loop_step)?;
                self.expression(&comprehension.result)?;
                self.bound.clear();
                Ok(())
            }
            Expr::List(list) => list.elements.iter().try_for_each(|node| self.expression(node)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.expression(&entry.key)?;
                    self.expression(&entry.value)
                }
                EntryExpr::StructField(field) => self.expression(&field.value),
            }),
            Expr::Select(select) => self.expression(&select.operand),
            Expr::Struct(_) => self.error(node.id, "there are no messages to construct"),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Ok(()),
        }
    }

    fn call(&mut self, id: u64, call: &'a CallExpr) -> Result<(), TemplateError> {
        let function = call.func_name.as_str();
        let operator = function.starts_with(['_', '@', '!', '-']);
        if !operator && !FUNCTIONS.contains(&function) {
            return self.error(id, format!("unknown function `{function}`"));
        }
        if function == "uuid" {
            if call.target.is_some() || !call.args.is_empty() {
                return self.error(id, "`uuid` takes no argument");
            }
            if !self.bound.is_empty() {
                return self.error(id, "`uuid` is not available in a loop");
            }
            self.reads.uuids += 1;
        }
        if let Some(path) = self.membership(call) {
            self.names.read(&path);
            self.reads.paths.push(path);
            return Ok(());
        }
        if let Some(target) = &call.target {
            self.expression(target)?;
        }
        call.args.iter().try_for_each(|node| self.expression(node))
    }

    /// What `'key' in map` reads of a map of ours: that key alone.
    fn membership(&self, call: &CallExpr) -> Option<Path> {
        let [key, map] = call.args.as_slice() else { return None };
        let Expr::Literal(LiteralValue::String(key)) = &key.expr else { return None };
        let (_, root, mut steps) = name(map).filter(|_| call.func_name == operators::IN)?;
        let resolve = |steps: &[Step]| Named::resolve(root, steps, self.names).ok();
        if self.bound.contains(&root) || !matches!(resolve(&steps)?, Named::Map(_)) {
            return None;
        }
        steps.push(Step::Key(key.inner().to_owned()));
        match resolve(&steps)? {
            Named::Value(path) => Some(path),
            Named::Map(_) => None,
        }
    }

    fn name(&mut self, id: u64, root: &str, steps: &[Step]) -> Result<(), TemplateError> {
        if self.bound.contains(&root) {
            return Ok(());
        }
        match Named::resolve(root, steps, self.names) {
            Ok(Named::Value(path)) => {
                self.names.read(&path);
                self.reads.paths.push(path);
            }
            Ok(Named::Map(collection)) => {
                self.names.read_map(collection);
                self.reads.maps.push(collection);
            }
            Err(message) => return self.error(id, message),
        }
        Ok(())
    }
}

/// The name that an expression is, if it is one, and the id of its root.
fn name(node: &IdedExpr) -> Option<(u64, &str, Vec<Step>)> {
    match &node.expr {
        Expr::Ident(root) => Some((node.id, root, vec![])),
        Expr::Select(select) => {
            let (id, root, mut steps) = name(&select.operand)?;
            steps.push(Step::Key(select.field.clone()));
            Some((id, root, steps))
        }
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let [operand, index] = call.args.as_slice() else { return None };
            let (id, root, mut steps) = name(operand)?;
            steps.push(match &index.expr {
                Expr::Literal(LiteralValue::String(key)) => Step::Key(key.inner().to_owned()),
                Expr::Literal(LiteralValue::Int(index)) => {
                    Step::Index(usize::try_from(*index.inner()).ok()?)
                }
                _ => return None,
            });
            Some((id, root, steps))
        }
        _ => None,
    }
}
