//! `render`: what the filter would make of a request.

mod curl;
mod request;
mod simulate;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use envoy_service_bus::config::{Config, Environment, Role};
use envoy_service_bus::delivery::Sender;
use envoy_service_bus::http::Callout;
use envoy_service_bus::json;
use envoy_service_bus::reply::Reply;
use envoy_service_bus::template::Attributes;
use envoy_service_bus::time::Time;
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::input;
use crate::manifests::Manifests;
use crate::output::{Completion, Failure, print};
use crate::time;
use simulate::{Simulated, World};

/// Shows the callout that a request would cause, and the answer to its client.
///
/// The request runs through the code of the filter itself. Nothing is sent, and no secret is
/// needed or shown. Ends with 1 when the request would cause no callout: no route matches, or the
/// filter answers by itself.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
        printf 'POST /orders\\nhost: a\\n\\n{\"orderId\":\"7\"}' |\n    \
        envoy-service-bus render --config envoy/envoy.yaml --request -")]
pub(crate) struct Options {
    /// Configuration, in any file that `check` reads.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Which sender, by the name of its filter or resource, where there are several.
    #[arg(long)]
    name: Option<String>,
    /// Request, as in a `.http` file: `POST /path`, headers, a blank line, the body.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// What expressions read as `jwt`: a file with the claims, in JSON.
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// What a lookup finds: a file with the body of its answer.
    #[arg(long, value_name = "FILE")]
    found: Option<PathBuf>,
    /// The client's address.
    #[arg(long, value_name = "ADDRESS", default_value = "192.0.2.1:50000")]
    source: String,
    /// Time of the request; the default is now.
    #[arg(long, value_name = "RFC3339", value_parser = time::read)]
    now: Option<Duration>,
}

/// Prints what becomes of the request.
pub(crate) fn execute(options: &Options, as_json: bool) -> Result<Completion, Failure> {
    let (configuration, sender) = sender(options)?;
    let bytes = input::read_bytes(&options.request)?;
    let request = request::read(&bytes)
        .map_err(|error| Failure(format!("{}: {error}", input::name(&options.request))))?;
    let claims = match &options.claims {
        None => None,
        Some(file) => Some(
            json::read(&input::read_bytes(file)?)
                .map_err(|error| Failure(format!("{}: not JSON: {error}", input::name(file))))?,
        ),
    };
    let world = World {
        // No time passes but what delivery waits for.
        now: Time { wall: options.now.unwrap_or_else(time::now), monotonic: Duration::ZERO },
        attributes: Attributes { jwt: claims, source_address: Some(options.source.clone()) },
        found: options.found.as_deref().map(input::read_bytes).transpose()?,
    };
    let simulated = simulate::simulate(&sender, request, world)
        .ok_or_else(|| Failure("the filter came to no end with this request".to_owned()))?;
    let sent = matches!(simulated, Simulated::Sent { .. });
    let shown = Shown { simulated: &simulated, sender: &sender, configuration: &configuration };
    print(&if as_json { format!("{}\n", shown.json()) } else { shown.text() })?;
    Ok(if sent { Completion::Clean } else { Completion::Findings })
}

/// The sender that is asked for.
fn sender(options: &Options) -> Result<(Json, Rc<Sender>), Failure> {
    let (file, text) = input::read(&options.config)?;
    let mut manifests = Manifests::default();
    manifests.add(&file, &text);
    let wrong = || Failure(format!("{file} has mistakes, which `check` names"));
    if !manifests.findings.is_empty() {
        return Err(wrong());
    }
    let mut senders = vec![];
    for plugin in &manifests.plugins {
        let wanted = options.name.is_none() || options.name == plugin.name;
        let Some(text) = plugin.configuration.as_ref().filter(|_| wanted) else { continue };
        let config = Config::parse(text.as_str().as_bytes(), Environment::Unknown);
        if let Role::Sender(sender) = config.map_err(|_| wrong())?.role {
            let json = json::read(text.as_str().as_bytes()).map_err(|_| wrong())?;
            senders.push((plugin.name.clone().unwrap_or_default(), json, sender));
        }
    }
    match senders.pop() {
        None => Err(Failure(format!("{file} has no such sender"))),
        Some((_, json, sender)) if senders.is_empty() => Ok((json, sender)),
        Some((last, ..)) => {
            let mut names: Vec<_> = senders.into_iter().map(|(name, ..)| name).collect();
            names.push(last);
            Err(Failure(format!("choose a sender with --name: {}", names.join(", "))))
        }
    }
}

/// What is shown of it.
struct Shown<'a> {
    simulated: &'a Simulated,
    sender: &'a Sender,
    configuration: &'a Json,
}

impl Shown<'_> {
    fn route(&self, index: usize) -> &str {
        self.sender.routes.get(index).map(|route| route.name.as_str()).unwrap_or_default()
    }

    fn text(&self) -> String {
        match self.simulated {
            Simulated::Passed => "### no route matches: the request goes on untouched\n".to_owned(),
            Simulated::Answered { route, reply } => {
                let route = self.route(*route);
                format!("### route {route}: nothing is sent\n\n{}", reply_text(reply))
            }
            Simulated::Sent { route, callout, message, reply } => {
                let name = self.route(*route);
                let mut text = format!(
                    "### route {name}: callout to cluster {}\n\n{}\n### by hand\n\n{}\n",
                    callout.cluster,
                    callout_text(callout),
                    curl::line(callout, self.configuration, *route)
                );
                let after = if *message { "the answer 201" } else { "what was found" };
                if let Some(reply) = reply {
                    let reply = reply_text(reply);
                    let _ = write!(text, "\n### reply to the client, after {after}\n\n{reply}");
                }
                text
            }
        }
    }

    fn json(&self) -> Json {
        match self.simulated {
            Simulated::Passed => json!({"outcome": "passed"}),
            Simulated::Answered { route, reply } => json!({
                "outcome": "answered",
                "route": self.route(*route),
                "reply": reply_json(reply),
            }),
            Simulated::Sent { route, callout, reply, .. } => json!({
                "outcome": "sent",
                "route": self.route(*route),
                "cluster": &*callout.cluster,
                "callout": message_json(&visible(callout), &callout.body),
                "curl": curl::line(callout, self.configuration, *route),
                "reply": reply.as_ref().map(reply_json),
            }),
        }
    }
}

/// The headers without the token.
fn visible(callout: &Callout) -> Vec<(&str, &str)> {
    let hide = |(name, value)| (name, if name == "authorization" { "(hidden)" } else { value });
    callout.headers().map(hide).collect()
}

fn callout_text(callout: &Callout) -> String {
    let Callout { method, path, authority, .. } = callout;
    let mut text = format!("{method} {path} HTTP/1.1\nhost: {authority}\n");
    for (name, value) in visible(callout).into_iter().filter(|(name, _)| !name.starts_with(':')) {
        let _ = writeln!(text, "{name}: {value}");
    }
    text + &body_text(&callout.body)
}

fn reply_text(reply: &Reply) -> String {
    let mut text = format!("HTTP/1.1 {}\n", reply.status);
    for (name, value) in &reply.headers {
        let _ = writeln!(text, "{name}: {value}");
    }
    text + &body_text(&reply.body)
}

fn body_text(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok("") => String::new(),
        Ok(text) => format!("\n{}\n", text.strip_suffix('\n').unwrap_or(text)),
        Err(_) => format!("\n({} bytes that are no text)\n", body.len()),
    }
}

fn reply_json(reply: &Reply) -> Json {
    let mut json = message_json(&reply.headers, &reply.body);
    if let Json::Object(members) = &mut json {
        members.insert("status".to_owned(), reply.status.into());
    }
    json
}

/// A body that is no text is shown in base64.
fn message_json(headers: &[impl Serialize], body: &[u8]) -> Json {
    match std::str::from_utf8(body) {
        Ok(text) => json!({"headers": headers, "body": text}),
        Err(_) => json!({"headers": headers, "body_base64": STANDARD.encode(body)}),
    }
}
