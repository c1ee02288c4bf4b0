//! What bites around the filter: settings that are valid, and with which it does not do its work.

use envoy_service_bus::config::{Action, HeaderMode, Role, Sender};

use super::configuration::References;
use crate::finding::Finding;
use crate::manifests::{Limit, Manifests, Platform, Plugin};
use crate::text::Position;
use crate::yaml::Malformed;

/// Headers that Envoy adds to each callout.
const STRAY: [&str; 2] = ["x-envoy-internal", "x-envoy-expected-rq-timeout-ms"];
/// What an Envoy Gateway buffers unless a `ClientTrafficPolicy` says otherwise.
const GATEWAY_BUFFER: u64 = 32 * 1024;

/// One instance of the filter and what is known about it.
pub(super) struct Case<'a> {
    pub(super) plugin: &'a Plugin,
    /// `None` when its configuration cannot be read.
    pub(super) role: Option<&'a Role>,
    pub(super) manifests: &'a Manifests,
    /// The gates that work after it.
    pub(super) gates: Vec<&'a Plugin>,
}

impl Case<'_> {
    /// All that is to be said about it.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = vec![];
        if let Some((at, place)) = self.plugin.open {
            findings.push(self.warning(at, place, open_message(self.plugin.platform)));
        }
        let (Some(configuration), Some(Role::Sender(sender))) =
            (&self.plugin.configuration, self.role)
        else {
            return findings;
        };
        if self.plugin.platform == Platform::Unknown {
            return findings;
        }
        let names = match References::read(configuration) {
            Ok(names) => names,
            Err(Malformed { at, message }) => {
                let message = format!("what stands around the filter was not checked: {message}");
                findings.push(self.warning(at, "", &message));
                return findings;
            }
        };
        self.variables(&names, &mut findings);
        findings.extend(self.headers(sender, &names));
        findings.extend(self.routes_held(sender, &names));
        self.clusters(&names, &mut findings);
        findings.extend(self.buffers(sender, &names));
        findings.extend(self.timeouts(sender, &names));
        findings
    }

    fn warning(&self, at: Position, place: &str, message: &str) -> Finding {
        Finding::warning(&self.plugin.file, at, place, message)
    }

    /// Variables that the module does not see: it would refuse its configuration.
    fn variables(&self, names: &References, findings: &mut Vec<Finding>) {
        let Some(visible) = &self.plugin.variables else { return };
        let list = match self.plugin.platform {
            Platform::Istio | Platform::Higress => "vmConfig.env",
            Platform::EnvoyGateway => "env.hostKeys",
            _ => "vm_config.environment_variables",
        };
        for one in names.variables.iter().filter(|one| !visible.contains(&one.name)) {
            let message = format!("the module does not see {}: name it in {list}", one.name);
            findings.push(Finding::error(&self.plugin.file, one.at, &one.place, &message));
        }
    }

    /// Who holds a request while its message is on the way.
    fn headers(&self, sender: &Sender, names: &References) -> Option<Finding> {
        let plugin = self.plugin;
        let at = names.header_mode.unwrap_or(plugin.at);
        let message = match (sender.header_mode, plugin.platform) {
            (HeaderMode::Pause, _) if plugin.body_while_held => return None,
            (HeaderMode::Pause, Platform::Envoy | Platform::Patch) => {
                "pause needs `allow_on_headers_stop_iteration: true` on the plugin: without it \
                 Envoy keeps the body back, and requests hang"
            }
            (HeaderMode::Pause, _) => {
                "pause needs `allow_on_headers_stop_iteration`, which cannot be set here, and \
                 requests hang: use \"continue\" and a second instance with \"role\": \"gate\" \
                 after this one"
            }
            (HeaderMode::Continue, _) if self.has_buffer() || !self.gates.is_empty() => {
                return None;
            }
            (HeaderMode::Continue, _) => {
                "continue needs something after the filter that holds the headers, a second \
                 instance with \"role\": \"gate\" or envoy.filters.http.buffer, and there is none: \
                 requests go on before their message is sent"
            }
        };
        Some(self.warning(at, "header_mode", message))
    }

    fn has_buffer(&self) -> bool {
        let by_patch = self.plugin.platform != Platform::Envoy && self.manifests.buffer_by_patch;
        self.plugin.buffer_after || by_patch
    }

    /// A gate holds what it matches, and lets all else go.
    fn routes_held(&self, sender: &Sender, names: &References) -> Vec<Finding> {
        let lets_go = sender.header_mode == HeaderMode::Continue && !self.gates.is_empty();
        if !lets_go || self.has_buffer() {
            return vec![];
        }
        let texts = self.gates.iter().filter_map(|gate| gate.configuration.as_ref());
        let held: Vec<_> = texts
            .filter_map(|text| References::read(text).ok())
            .flat_map(|names| names.matches)
            .collect();
        let open = names
            .matches
            .iter()
            .filter(|own| own.sends && !held.iter().any(|gate| gate.json == own.json));
        let message = "no gate after the filter has the same `match`: requests of this route go \
                       on before their message is sent";
        open.map(|own| self.warning(own.at, &own.place, message)).collect()
    }

    fn clusters(&self, names: &References, findings: &mut Vec<Finding>) {
        let manifests = self.manifests;
        let of_envoy = self.plugin.platform == Platform::Envoy;
        if of_envoy && !manifests.clusters.is_empty() && !manifests.more_clusters {
            for one in names.destinations.iter().chain(&names.others) {
                if !manifests.clusters.iter().any(|cluster| cluster.name == one.name) {
                    let message = format!("there is no cluster {:?}", one.name);
                    findings.push(self.warning(one.at, &one.place, &message));
                }
            }
        }
        for one in &names.destinations {
            let cluster = manifests.clusters.iter().find(|cluster| cluster.name == one.name);
            let patches = manifests.removals.iter().filter(|patch| patch.is_for(&one.name));
            let patched = patches.map(|patch| &patch.headers);
            let (removed, by): (Vec<_>, _) = match cluster {
                Some(cluster) => (vec![&cluster.removed], "an upstream header_mutation filter"),
                None if of_envoy => continue,
                None => (patched.collect(), "a patch of the cluster"),
            };
            let is_left = |name: &&str| !removed.iter().any(|headers| headers.contains(*name));
            let left: Vec<_> = STRAY.into_iter().filter(is_left).collect();
            if left.is_empty() {
                continue;
            }
            let message = format!(
                "nothing removes {} from what goes to cluster {:?}, and Service Bus takes what \
                 Envoy adds for properties of the message: use {by}",
                left.join(" and "),
                one.name
            );
            findings.push(match cluster {
                Some(cluster) => Finding::warning(&cluster.file, cluster.at, "", &message),
                None => self.warning(one.at, &one.place, &message),
            });
        }
    }

    /// What a buffer filter takes. Once it has the headers, its limit is that of the request.
    fn buffer(&self, sender: &Sender) -> Option<&Limit> {
        if sender.header_mode == HeaderMode::Pause {
            return None;
        }
        let by_patch = self.plugin.platform != Platform::Envoy;
        let patched = self.manifests.patched_buffer.as_ref().filter(|_| by_patch);
        self.plugin.buffer.as_ref().or(patched)
    }

    fn buffers(&self, sender: &Sender, names: &References) -> Vec<Finding> {
        let body = u64::try_from(sender.max_body_bytes).unwrap_or(u64::MAX);
        if let Some(limit) = self.buffer(sender) {
            let message = format!(
                "{} is below max_body_bytes, {body}: Envoy answers larger bodies with a 413 of its own",
                limit.bytes
            );
            let low = limit.bytes < body;
            return low
                .then(|| Finding::warning(&limit.file, limit.at, limit.place, &message))
                .into_iter()
                .collect();
        }
        let needed = body.saturating_mul(2);
        let message = |limit: &Limit| {
            format!(
                "{} is below {needed}, twice max_body_bytes: Envoy answers large bodies with a \
                 413 of its own",
                limit.bytes
            )
        };
        let low = self.plugin.limits.iter().filter(|limit| limit.bytes < needed);
        let mut findings: Vec<_> = low
            .map(|limit| Finding::warning(&limit.file, limit.at, limit.place, &message(limit)))
            .collect();
        if self.plugin.platform == Platform::EnvoyGateway {
            match &self.manifests.gateway_buffer {
                Some(limit) if limit.bytes < needed => findings.push(Finding::warning(
                    &limit.file,
                    limit.at,
                    limit.place,
                    &message(limit),
                )),
                None if GATEWAY_BUFFER < needed => findings.push(self.warning(
                    names.max_body_bytes.unwrap_or(self.plugin.at),
                    "max_body_bytes",
                    &format!(
                        "Envoy Gateway buffers {GATEWAY_BUFFER} bytes and answers larger bodies \
                         with a 413 of its own, unless a ClientTrafficPolicy sets \
                         connection.bufferLimit: {needed} is twice max_body_bytes"
                    ),
                )),
                _ => {}
            }
        }
        findings
    }

    fn timeouts(&self, sender: &Sender, names: &References) -> Vec<Finding> {
        let waits = sender.routes.iter().map(|route| match &route.action {
            Action::Send(..) => sender.delivery.timeout,
            Action::Lookup(lookup) => lookup.timeout,
        });
        let waits: Vec<_> = names.matches.iter().zip(waits).collect();
        let short = self.plugin.timeouts.iter().filter_map(|timeout| {
            let concerned = waits.iter().filter(|(route, _)| timeout.is_for(&route.path));
            let longest = concerned.map(|(_, wait)| *wait).max()?;
            (timeout.after <= longest).then_some((timeout, longest))
        });
        short
            .map(|(timeout, longest)| {
                let which =
                    if timeout.spares_bodies() { "a request without body" } else { "the request" };
                let message = format!(
                    "{:?} is not longer than the {longest:?} that the filter may take: Envoy ends \
                     {which} while its message may be stored",
                    timeout.after
                );
                self.warning(timeout.at, timeout.place, &message)
            })
            .collect()
    }
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
