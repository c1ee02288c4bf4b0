//! The root context: configuration, and the callouts of one worker.

use std::rc::Rc;

use log::{error, info, warn};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use super::host;
use super::stream::{Held, Refused, Sending};
use super::worker::Worker;
use crate::config::{Config, Environment, Role};
use crate::delivery::Gate;
use crate::delivery::StreamId;

/// One worker's part of one plugin instance.
pub(super) struct Root {
    id: u32,
    part: Part,
}

enum Part {
    /// No configuration has been accepted.
    Unconfigured,
    Gate(Rc<Gate>),
    Sender(Rc<Worker>),
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        Self { id, part: Part::Unconfigured }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, callout: u32, headers: usize, body: usize, _: usize) {
        if let Part::Sender(worker) = &self.part {
            worker.callout_ended(callout, headers, body);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        host::adopt_log_level();
        let variable = |name: &str| std::env::var(name).ok();
        let config = match Config::parse(&host::configuration(), Environment::Known(&variable)) {
            Ok(config) => config,
            Err(errors) => {
                for error in errors.iter() {
                    error!("configuration refused: {error}");
                }
                return false;
            }
        };
        for warning in &config.warnings {
            warn!("configuration: {warning}");
        }
        self.part = match config.role {
            Role::Gate(gate) => {
                info!("gate of {} routes", gate.matches.len());
                Part::Gate(Rc::new(gate))
            }
            Role::Sender(sender) => {
                info!("sender of {} routes", sender.routes.len());
                let worker = Worker::new(self.id, sender);
                worker.start();
                Part::Sender(Rc::new(worker))
            }
        };
        true
    }

    fn on_tick(&mut self) {
        if let Part::Sender(worker) = &self.part {
            worker.tick();
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(match &self.part {
            Part::Unconfigured => Box::new(Refused),
            Part::Gate(gate) => Box::new(Held::new(Rc::clone(gate))),
            Part::Sender(worker) => Box::new(Sending::new(StreamId(id), Rc::clone(worker))),
        })
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
