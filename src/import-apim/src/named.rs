//! Named values of API Management, `{{name}}`.

use envoy_service_bus::json;
use serde_json::Value as Json;

use crate::position::Position;
use crate::report::LeftOut;
use crate::units::Unit;

/// Stands around a name whose value is not known; no policy has it.
pub(crate) const MARK: char = '\u{f8fe}';

/// A name whose value is not known.
#[derive(Debug)]
pub(crate) struct Missing {
    at: Position,
    name: String,
}

/// Puts values in place of their names.
pub(crate) fn fill(units: Vec<Unit>, values: &[(String, String)]) -> (Vec<Unit>, Vec<Missing>) {
    let mut filled = Vec::with_capacity(units.len());
    let mut missing = vec![];
    let mut next = 0;
    while let Some(unit) = units.get(next) {
        let rest = units.get(next..).unwrap_or_default();
        let Some((name, length)) = name_at(rest) else {
            filled.push(*unit);
            next += 1;
            continue;
        };
        let value = values.iter().find(|(known, _)| *known == name);
        let text = value.map_or_else(|| marked(&name), |(_, text)| text.clone());
        filled.extend(text.chars().map(|c| Unit { c, escaped: true, ..*unit }));
        if value.is_none() {
            missing.push(Missing { at: unit.at, name });
        }
        next += length;
    }
    (filled, missing)
}

/// Reports the names that came into the configuration, and leaves them there as they are. Others
/// are in what is not needed, such as a key.
pub(crate) fn report(config: Json, missing: &[Missing], left_out: &mut Vec<LeftOut>) -> Json {
    let mut text = config.to_string();
    for Missing { at, name } in missing {
        let mark = marked(name);
        if text.contains(&mark) {
            left_out.push(asked(*at, name));
        }
    }
    text.retain(|c| c != MARK);
    json::read(text.as_bytes()).unwrap_or(config)
}

/// Reports all names whose values are not known.
pub(crate) fn report_all(missing: &[Missing], left_out: &mut Vec<LeftOut>) {
    left_out.extend(missing.iter().map(|Missing { at, name }| asked(*at, name)));
}

fn asked(at: Position, name: &str) -> LeftOut {
    let why = "a named value: give it with --named-value".to_owned();
    LeftOut { at, what: format!("{{{{{name}}}}}"), why }
}

fn marked(name: &str) -> String {
    format!("{MARK}{name}{MARK}")
}

/// The name that stands here, and how many characters it takes.
fn name_at(units: &[Unit]) -> Option<(String, usize)> {
    let starts = units.iter().take(2).filter(|unit| unit.c == '{').count() == 2;
    let inner = units.get(2..).filter(|_| starts)?;
    let fits = |unit: &&Unit| unit.c.is_ascii_alphanumeric() || "-_.".contains(unit.c);
    let name: String = inner.iter().take_while(fits).map(|unit| unit.c).collect();
    let length = name.chars().count();
    let ends = inner.get(length..length + 2)?.iter().all(|unit| unit.c == '}');
    (ends && length > 0).then_some((name, length + 4))
}
