//! Expressions that are more than a name, run by the interpreter.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, ExecutionError, Value as Cel};
use serde_json::{Map, Value};

use super::check::{Reads, check};
use super::convert::{Cost, from_cel, to_cel};
use super::names::Names;
use super::path::{Collection, Path, RequestValue};
use super::scope::Scope;
use super::{EvalError, TemplateError};

static LIBRARY: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A compiled expression with what it reads.
pub(super) struct Program {
    program: cel::Program,
    reads: Reads,
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.program.source_info().source)
    }
}

impl Program {
    pub(super) fn compile(source: &str, names: &Names) -> Result<Self, TemplateError> {
        let program = LIBRARY.compile(source).map_err(|errors| {
            let first = errors.errors.first();
            let position = first.map_or((1, 1), |error| error.pos);
            let message = first.map_or("not an expression", |error| error.msg.trim());
            // What follows is the list of all that the grammar would take.
            let message = message.split(" expecting ").next().unwrap_or(message);
            TemplateError { offset: offset(source, position), message: message.to_owned() }
        })?;
        let place = |id| {
            let start = program.source_info().offset_for(id).map_or(0, |(start, _)| start);
            usize::try_from(start).unwrap_or(0).min(source.len())
        };
        let mut reads = check(program.expression(), place, names)?;
        reads.paths = whole(reads.paths);
        Ok(Self { program, reads })
    }

    pub(super) fn value(&self, scope: &Scope<'_>) -> Result<Option<Value>, EvalError> {
        let variables = self.variables(scope)?;
        if self.reads.loops {
            Cost::default().check(&variables)?;
        }
        let mut context = Context::with_env(Arc::clone(&LIBRARY));
        for (name, value) in &variables {
            context.add_variable_from_value(name.as_str(), to_cel(value));
        }
        self.add_uuid(&mut context, scope)?;
        match self.program.execute(&context) {
            Ok(value) => from_cel(&value).map(Some),
            Err(ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)) => Ok(None),
            Err(_) => Err(EvalError::Failed),
        }
    }

    /// The variables that the expression reads, and of maps only what it reads.
    fn variables(&self, scope: &Scope<'_>) -> Result<Map<String, Value>, EvalError> {
        let mut variables = Map::new();
        for collection in &self.reads.maps {
            let map = Value::Object(scope.map(*collection)?);
            insert(&mut variables, collection_keys(*collection), Some(map));
        }
        for path in &self.reads.paths {
            insert(&mut variables, &keys(path), scope.read(path)?);
        }
        Ok(variables)
    }

    fn add_uuid(&self, context: &mut Context<'_, '_>, scope: &Scope<'_>) -> Result<(), EvalError> {
        if self.reads.uuids == 0 {
            return Ok(());
        }
        let ids: Result<Vec<_>, _> = (0..self.reads.uuids).map(|_| scope.uuid()).collect();
        let ids = ids?;
        let next = AtomicUsize::new(0);
        let uuid = move || -> Result<Cel, ExecutionError> {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let id = ids.get(index).cloned().ok_or(ExecutionError::MissingArgumentOrTarget)?;
            Ok(Cel::String(Arc::new(id)))
        };
        context.add_function("uuid", uuid).map_err(|_| EvalError::Failed)
    }
}

/// Each value once. A JSON is given whole: its parts may be compared, counted and gone over.
fn whole(paths: Vec<Path>) -> Vec<Path> {
    let mut values = Vec::with_capacity(paths.len());
    for path in paths {
        let value = match path {
            Path::Request(RequestValue::Json(_)) => Path::Request(RequestValue::Json(vec![])),
            Path::LookupJson(_) => Path::LookupJson(vec![]),
            Path::Jwt(_) => Path::Jwt(vec![]),
            other => other,
        };
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}

/// Puts a value where its name says; what is not there leaves its map empty, so that `has` works.
fn insert(variables: &mut Map<String, Value>, keys: &[&str], value: Option<Value>) {
    let Some((last, maps)) = keys.split_last() else { return };
    let mut place = variables;
    for key in maps {
        let map = place.entry(*key).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(map) = map else { return };
        place = map;
    }
    if let Some(value) = value {
        place.insert((*last).to_owned(), value);
    }
}

fn collection_keys(collection: Collection) -> &'static [&'static str] {
    match collection {
        Collection::Captures => &["path"],
        Collection::Headers => &["request", "headers"],
        Collection::LookupHeaders => &["lookup", "headers"],
    }
}

/// The name of a value, as expressions write it.
fn keys(path: &Path) -> Vec<&str> {
    match path {
        Path::Capture(name) => vec!["path", name],
        Path::Jwt(_) => vec!["jwt"],
        Path::LookupBody => vec!["lookup", "body"],
        Path::LookupHeader(name) => vec!["lookup", "headers", name],
        Path::LookupJson(_) => vec!["lookup", "json"],
        Path::LookupStatus => vec!["lookup", "status"],
        Path::MessageId => vec!["message", "id"],
        Path::Now => vec!["now"],
        Path::RouteName => vec!["route", "name"],
        Path::SourceAddress => vec!["source", "address"],
        Path::TrackingId => vec!["tracking_id"],
        Path::Request(value) => {
            let field = match value {
                RequestValue::Body => "body",
                RequestValue::Header(name) => return vec!["request", "headers", name],
                RequestValue::Host => "host",
                RequestValue::Id => "id",
                RequestValue::Json(_) => "json",
                RequestValue::Method => "method",
                RequestValue::Path => "path",
                RequestValue::Query => "query",
                RequestValue::QueryParameter(name) => return vec!["request", "query", name],
                RequestValue::Scheme => "scheme",
                RequestValue::Size => "size",
                RequestValue::Time => "time",
                RequestValue::UrlPath => "url_path",
            };
            vec!["request", field]
        }
    }
}

/// Bytes before a place that the parser names by line and column, both from 1.
fn offset(source: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    let before: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    (before + column).min(source.len())
}
