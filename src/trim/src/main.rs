//! Takes callbacks that the filter does not need out of the module, in place.
//!
//! The SDK exports every callback there is, and Envoy enters the VM for each one that it finds,
//! four times a request for nothing. No option of the linker takes an export back.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use walrus::{Module, passes};

/// What Envoy needs of the module.
const NEEDED: [&str; 13] = [
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_memory_allocate",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_tick",
    "proxy_on_vm_start",
];

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: trim-exports MODULE");
        return ExitCode::from(2);
    };
    match trim(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("trim-exports: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn trim(path: &PathBuf) -> Result<(), Box<dyn Error>> {
    let mut module = Module::from_buffer(&std::fs::read(path)?)?;
    for name in NEEDED {
        if !module.exports.iter().any(|export| export.name == name) {
            return Err(format!("there is no export {name}").into());
        }
    }
    let rest = module.exports.iter().filter(|export| !NEEDED.contains(&export.name.as_str()));
    for id in rest.map(walrus::Export::id).collect::<Vec<_>>() {
        module.exports.delete(id);
    }
    // Code and imports that only those have led to.
    passes::gc::run(&mut module);
    // The file is another name of cargo's own copy, which must stay as it is.
    let trimmed = path.with_extension("trimmed");
    std::fs::write(&trimmed, module.emit_wasm())?;
    Ok(std::fs::rename(&trimmed, path)?)
}
