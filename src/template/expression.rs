//! One expression: a name that is read directly, or a program for the interpreter.

use serde_json::Value;

use super::names::Names;
use super::path::{self, Named, Path};
use super::scope::Scope;
use super::{EvalError, TemplateError, cel};

/// A compiled expression.
#[derive(Debug)]
pub(super) enum Expression {
    Path(Path),
    Program(Box<cel::Program>),
    Uuid,
}

impl Expression {
    pub(super) fn compile(source: &str, names: &Names) -> Result<Self, TemplateError> {
        if source.trim() == "uuid()" {
            return Ok(Self::Uuid);
        }
        if let Some((root, steps)) = path::parse(source) {
            let offset = source.len() - source.trim_start().len();
            let error = |message| TemplateError { offset, message };
            return match Named::resolve(root, &steps, names).map_err(error)? {
                Named::Value(path) => {
                    names.read(&path);
                    Ok(Self::Path(path))
                }
                Named::Map(_) => Err(error(format!("say what to read of `{}`", source.trim()))),
            };
        }
        cel::Program::compile(source, names).map(Box::new).map(Self::Program)
    }

    /// The value; `None` when it is not there.
    pub(super) fn value(&self, scope: &Scope<'_>) -> Result<Option<Value>, EvalError> {
        match self {
            Self::Path(path) => scope.read(path),
            Self::Program(program) => program.value(scope),
            Self::Uuid => Ok(Some(Value::String(scope.uuid()?))),
        }
    }
}
