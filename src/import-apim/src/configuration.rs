//! Routes as a configuration.

use serde_json::{Map, Value as Json, json};

use crate::operation::Operation;
use crate::plan::{Action, Answer, Plan};
use crate::report::Report;
use crate::routes::Route;
use crate::value::Matched;

/// What the policy itself does not tell.
pub(crate) struct Given<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) allowed: &'a [String],
}

/// The whole configuration; `None` where no route sends or looks up anything.
pub(crate) fn write(routes: &[Route<'_>], given: &Given<'_>, report: &mut Report) -> Option<Json> {
    let mut config = Map::new();
    let mut written: Vec<Json> = vec![];
    let mut names: Vec<String> = vec![];
    for route in routes {
        let Some(plan) = &route.plan else { continue };
        let mut section = Map::new();
        section.insert("name".to_owned(), unique(plan, &mut names).into());
        section.insert("match".to_owned(), conditions(route, given.operation));
        match &plan.action {
            Action::LookUp(lookup) => {
                section.insert("lookup".to_owned(), lookup.clone());
            }
            Action::Send(message) => {
                let found =
                    given.namespace.map(str::to_owned).or_else(|| message.namespace.clone());
                let namespace = found.unwrap_or_else(|| {
                    let why = "the policy names no namespace: give it with --namespace";
                    report.leave_out(message.at, "namespace", why);
                    "unknown.servicebus.windows.net".to_owned()
                });
                destination(&mut config, &mut section, (&namespace, &message.credentials));
                section
                    .insert("send".to_owned(), Json::Object(message.send(given.allowed, report)));
                if let Some(timeout) = message.timeout {
                    set(&mut config, &["delivery", "timeout"], format!("{timeout}s").into());
                }
            }
        }
        answer(&mut section, &plan.answer);
        for (key, value) in &plan.settings.retries {
            set(&mut config, &["delivery", "retries", key], value.clone());
        }
        if let Some(bytes) = plan.settings.max_body_bytes {
            config.insert("max_body_bytes".to_owned(), bytes.into());
        }
        written.push(Json::Object(section));
    }
    if written.is_empty() {
        return None;
    }
    config.insert("routes".to_owned(), Json::Array(written));
    Some(Json::Object(config))
}

/// A name that no other route has.
fn unique(plan: &Plan, names: &mut Vec<String>) -> String {
    let name = match &plan.action {
        Action::LookUp(_) => "lookup".to_owned(),
        Action::Send(message) => message.route(),
    };
    let free = |name: &String| !names.contains(name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let name = std::iter::once(name.clone()).chain(numbered).find(free).unwrap_or(name);
    names.push(name.clone());
    name
}

fn conditions(route: &Route<'_>, operation: &Operation) -> Json {
    let mut section = operation.matches();
    let headers: Map<_, _> = route
        .matches
        .iter()
        .filter_map(|one| match one {
            Matched::Header(name, value) => Some((name.clone(), value.clone().into())),
            Matched::Method(_) => None,
        })
        .collect();
    if let (false, Some(section)) = (headers.is_empty(), section.as_object_mut()) {
        section.insert("headers".to_owned(), Json::Object(headers));
    }
    section
}

/// The first destination is that of all routes; another stands in its route.
fn destination(
    config: &mut Map<String, Json>,
    section: &mut Map<String, Json>,
    (namespace, credentials): (&str, &Json),
) {
    let own = Json::from(namespace);
    if !config.contains_key("namespace") {
        config.insert("namespace".to_owned(), own);
        config.insert("cluster".to_owned(), "servicebus".into());
        config.insert("credentials".to_owned(), credentials.clone());
        return;
    }
    if config.get("namespace") != Some(&own) {
        let cluster = format!("servicebus-{}", namespace.split('.').next().unwrap_or_default());
        section.insert("namespace".to_owned(), own);
        section.insert("cluster".to_owned(), cluster.into());
        section.insert("credentials".to_owned(), credentials.clone());
    } else if config.get("credentials") != Some(credentials) {
        section.insert("credentials".to_owned(), credentials.clone());
    }
}

fn answer(section: &mut Map<String, Json>, answer: &Answer) {
    match answer {
        Answer::Filter(reply) => {
            section.insert("reply".to_owned(), reply.section());
        }
        Answer::Backend { headers, after_failure } => {
            let mut forward = Map::new();
            if *after_failure {
                forward.insert("on_failure".to_owned(), "forward".into());
            }
            if !headers.is_empty() {
                let headers = headers.iter().map(|(name, it)| (name.clone(), it.template()));
                forward.insert("headers".to_owned(), Json::Object(headers.collect()));
            }
            section.insert("forward".to_owned(), json!(forward));
        }
    }
}

/// Sets a member of a member.
fn set(config: &mut Map<String, Json>, path: &[&str], value: Json) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        config.insert((*first).to_owned(), value);
        return;
    }
    let inner = config.entry((*first).to_owned()).or_insert_with(|| json!({}));
    if let Json::Object(inner) = inner {
        set(inner, rest, value);
    }
}
