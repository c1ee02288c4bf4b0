//! `check`: what is wrong with a configuration, and with what stands around it.

mod buffers;
mod capabilities;
mod case;
mod clusters;
mod configuration;
mod environment;
mod envoy_routes;
mod gate;
mod hold;
mod local_reply;
mod message;
mod order;
mod reply;
mod target;
mod timeouts;
mod tokens;

use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use envoy_service_bus::config::{Config, Environment, Role};
use serde_json::json;

use crate::finding::{Finding, Severity};
use crate::input;
use crate::manifests::{Manifests, Platform, Plugin, TEMPLATE, template_action};
use crate::output::{Completion, Failure, print};
use crate::yaml::Malformed;
use case::Case;
use configuration::References;

/// Reports every mistake in configurations of the filter, with its line.
///
/// Reads the JSON of the plugin alone, Envoy's bootstrap, listeners and clusters (YAML or JSON),
/// Istio's WasmPlugin, TrafficExtension and EnvoyFilter, Envoy Gateway's EnvoyExtensionPolicy and
/// EnvoyPatchPolicy, Higress's WasmPlugin, and ConfigMaps that hold any of Envoy's. Files are
/// looked at together: give the gate, the cluster and the patches with the sender.
///
/// Errors are what the filter would refuse. Warnings are settings around it that lose messages,
/// hang requests, or show secrets. Secrets in environment variables are not looked at.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
        envoy-service-bus check envoy/envoy.yaml\n  \
        kubectl get wasmplugin,envoyfilter -A -o yaml | envoy-service-bus check -")]
pub(crate) struct Options {
    /// Files to check; `-` is the standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// End with 1 for warnings too.
    #[arg(long)]
    strict: bool,
}

/// Prints what it finds.
pub(crate) fn execute(options: &Options, as_json: bool) -> Result<Completion, Failure> {
    let mut manifests = Manifests::default();
    for file in &options.files {
        let (name, text) = input::read(file)?;
        manifests.add(&name, &text);
    }
    let findings = findings(&mut manifests, &options.files);
    let count = |severity| findings.iter().filter(|one| one.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    print(&match as_json {
        true => format!(
            "{}\n",
            json!({
                "configurations": manifests.plugins.iter().map(instance).collect::<Vec<_>>(),
                "errors": errors,
                "warnings": warnings,
                "findings": findings.iter().map(Finding::json).collect::<Vec<_>>(),
            })
        ),
        false => {
            let lines: String = findings.iter().map(Finding::line).collect();
            let (instances, errors, warnings) = (
                counted(manifests.plugins.len(), "configuration"),
                counted(errors, "error"),
                counted(warnings, "warning"),
            );
            format!("{lines}{instances}: {errors}, {warnings}\n")
        }
    })?;
    let bad = errors > 0 || options.strict && warnings > 0;
    Ok(if bad { Completion::Findings } else { Completion::Clean })
}

fn instance(plugin: &Plugin) -> serde_json::Value {
    json!({"file": &*plugin.file, "line": plugin.at.line, "name": plugin.name})
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn findings(manifests: &mut Manifests, files: &[PathBuf]) -> Vec<Finding> {
    let mut findings = std::mem::take(&mut manifests.findings);
    let mut read: Vec<(&Plugin, Option<Role>)> = vec![];
    for plugin in &manifests.plugins {
        let Some(text) = &plugin.configuration else {
            read.push((plugin, None));
            continue;
        };
        match Config::parse(text.as_str().as_bytes(), Environment::Unknown) {
            Ok(Config { role, warnings }) => {
                findings.extend(warnings.iter().map(|one| {
                    let at = text.position(one.offset);
                    Finding::warning(&plugin.file, at, &one.place, &one.message)
                }));
                read.push((plugin, Some(role)));
            }
            Err(errors) => {
                read.push((plugin, None));
                // What fills it in may mend the rest too.
                if let Some(offset) = template_action(text.as_str()) {
                    let at = text.position(offset);
                    findings.push(Finding::error(&plugin.file, at, "", TEMPLATE));
                    continue;
                }
                findings.extend(errors.iter().map(|one| {
                    let at = text.position(one.offset);
                    Finding::error(&plugin.file, at, &one.place, without_line(&one.message))
                }));
            }
        }
    }
    for (plugin, role) in &read {
        if let Some((at, place)) = plugin.open {
            let message = open_message(plugin.platform);
            findings.push(Finding::warning(&plugin.file, at, place, message));
        }
        if let Some(Role::Gate(gate)) = role {
            let senders: Vec<_> = read
                .iter()
                .filter_map(|(other, role)| match role {
                    Some(Role::Sender(sender)) if plugin.follows(other) => Some(&**sender),
                    _ => None,
                })
                .collect();
            findings.extend(gate::check(plugin, gate, &senders));
        }
        let (Some(text), Some(Role::Sender(sender))) = (&plugin.configuration, role) else {
            continue;
        };
        let gates = read
            .iter()
            .filter_map(|(other, role)| match role {
                Some(Role::Gate(gate)) if other.follows(plugin) => Some((*other, gate)),
                _ => None,
            })
            .collect();
        let unread = read.iter().any(|(other, role)| role.is_none() && other.follows(plugin));
        match References::read(text) {
            Ok(names) => {
                findings.extend(Case { plugin, sender, names, manifests, gates, unread }.findings())
            }
            Err(Malformed { at, message }) => {
                let message = format!("what stands around the filter was not checked: {message}");
                findings.push(Finding::warning(&plugin.file, at, "", &message));
            }
        }
    }
    if manifests.plugins.is_empty() && findings.is_empty() {
        let file: Rc<str> = files.first().map_or_else(|| "-".into(), |file| input::name(file));
        let message = "no configuration of the filter in what was given";
        findings.push(Finding::error(&file, crate::text::Position::START, "", message));
    }
    let file = |one: &Finding| files.iter().position(|file| *input::name(file) == *one.file);
    findings.sort_by_key(|one| (file(one), one.at));
    findings.dedup();
    findings
}

/// The reader of JSON counts lines in the text that it was given; ours are those of the file.
fn without_line(message: &str) -> &str {
    if !message.starts_with("not JSON: ") {
        return message;
    }
    message.rsplit_once(" at line ").map_or(message, |(message, _)| message)
}

fn open_message(platform: Platform) -> &'static str {
    match platform {
        Platform::EnvoyGateway => "lets requests pass unsent when the filter fails; leave it out",
        Platform::Higress => {
            "FAIL_OPEN lets requests pass unsent when the filter fails; use FAIL_CLOSE"
        }
        _ => "FAIL_OPEN lets requests pass unsent when the filter fails; use FAIL_RELOAD",
    }
}
