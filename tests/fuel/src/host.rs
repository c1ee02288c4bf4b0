//! Envoy as the module sees it, with nothing behind it: imports that copy as Envoy's do.

mod reading;

use std::collections::{BTreeMap, BTreeSet};

use wasmi::{Caller, Error, Extern, Linker, Memory, Module, Val};

/// What the module can read, and what it has asked for.
#[derive(Debug, Default)]
pub struct Host {
    /// The plugin's configuration.
    pub(crate) configuration: Vec<u8>,
    /// Headers of every request, as the ABI writes them.
    pub(crate) request_headers: Vec<u8>,
    /// Body of every request.
    pub(crate) request_body: Vec<u8>,
    /// Headers of the callout's answer that is being read.
    pub(crate) answer_headers: Vec<u8>,
    /// Body of that answer.
    pub(crate) answer_body: Vec<u8>,
    /// Time of day in nanoseconds.
    pub(crate) time: u64,
    /// Milliseconds between ticks; zero for none.
    pub tick_period: u32,
    /// Whose calls the next ones are.
    pub(crate) effective: u32,
    /// Callouts that are not answered.
    pub callouts: Vec<u32>,
    /// Answers to requests: context and status.
    pub(crate) answers: Vec<(u32, u32)>,
    /// What was logged at `warn` or above.
    pub log: Vec<String>,
    /// Host calls since the start.
    pub calls: u64,
    /// Host calls by name.
    pub calls_by_name: BTreeMap<&'static str, u64>,
    /// Times that the host has called the module.
    pub entries: u64,
    /// How many calls more are to fail after the next one, and with which status.
    pub(crate) fault: Option<(u8, i32)>,
    /// Calls that have failed so.
    pub(crate) faults: u64,
    /// Contexts that Envoy would still know; `None`: all.
    pub(crate) known: Option<BTreeSet<u32>>,
    shared: BTreeMap<Vec<u8>, (Vec<u8>, u32)>,
    metrics: BTreeMap<Vec<u8>, u32>,
    random: u64,
    last_callout: u32,
}

const OK: i32 = 0;
const NOT_FOUND: i32 = 1;
const BAD_ARGUMENT: i32 = 2;
const CAS_MISMATCH: i32 = 8;
const INTERNAL_FAILURE: i32 = 10;

impl Host {
    /// Before anything was asked for.
    pub(crate) fn new(
        configuration: &str,
        request_headers: Vec<u8>,
        body: &[u8],
        time: u64,
    ) -> Self {
        Self {
            configuration: configuration.as_bytes().to_vec(),
            request_headers,
            request_body: body.to_vec(),
            time,
            ..Self::default()
        }
    }
}

type Context<'a> = Caller<'a, Host>;
type Status = Result<i32, Error>;

/// Counts a call, and says with which status it is to fail, if it is.
fn counted(context: &mut Context<'_>, name: &'static str) -> Option<i32> {
    let host = context.data_mut();
    host.calls += 1;
    *host.calls_by_name.entry(name).or_default() += 1;
    let (left, status) = host.fault?;
    host.fault = left.checked_sub(1).map(|left| (left, status));
    host.faults += 1;
    Some(status)
}

fn memory(context: &Context<'_>) -> Result<Memory, Error> {
    let found = context.get_export("memory").and_then(Extern::into_memory);
    found.ok_or_else(|| Error::new("the module exports no memory"))
}

fn read(context: &Context<'_>, pointer: i32, size: i32) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; size.cast_unsigned() as usize];
    memory(context)?.read(context, pointer.cast_unsigned() as usize, &mut bytes)?;
    Ok(bytes)
}

fn write(context: &mut Context<'_>, pointer: i32, bytes: &[u8]) -> Result<(), Error> {
    Ok(memory(context)?.write(context, pointer.cast_unsigned() as usize, bytes)?)
}

/// Gives bytes to the module, in memory that it allocates.
fn give(context: &mut Context<'_>, bytes: &[u8], data: i32, size: i32) -> Status {
    let mut pointer = 0;
    if !bytes.is_empty() {
        let allocate = context.get_export("proxy_on_memory_allocate").and_then(Extern::into_func);
        let allocate = allocate.ok_or_else(|| Error::new("the module cannot allocate"))?;
        context.data_mut().entries += 1;
        let mut result = [Val::I32(0)];
        let length = i32::try_from(bytes.len()).map_err(|_| Error::new("too many bytes"))?;
        allocate.call(&mut *context, &[Val::I32(length)], &mut result)?;
        let [Val::I32(allocated)] = result else { return Err(Error::new("no pointer")) };
        pointer = allocated;
        write(context, pointer, bytes)?;
    }
    let length = u32::try_from(bytes.len()).map_err(|_| Error::new("too many bytes"))?;
    write(context, data, &pointer.to_le_bytes())?;
    write(context, size, &length.to_le_bytes())?;
    Ok(OK)
}

/// Defines every import of the module; one that the filter is not known to need ends the run.
pub(crate) fn define(linker: &mut Linker<Host>, module: &Module) -> Result<(), Error> {
    reading::define(linker)?;
    sharing(linker)?;
    acting(linker)?;
    wasi(linker)?;
    for import in module.imports() {
        let name = import.name().to_owned();
        let Some(ty) = import.ty().func().cloned() else { continue };
        let message = format!("the module called {name}");
        // Those above are defined already.
        let _ = linker
            .func_new(import.module(), &name, ty, move |_, _, _| Err(Error::new(message.clone())));
    }
    Ok(())
}

fn sharing(linker: &mut Linker<Host>) -> Result<(), Error> {
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |mut context: Context<'_>, key: i32, length: i32, data: i32, size: i32, version: i32| {
            if let Some(status) = counted(&mut context, "proxy_get_shared_data") {
                return Ok(status);
            }
            let key = read(&context, key, length)?;
            let Some((value, found)) = context.data().shared.get(&key).cloned() else {
                return Ok(NOT_FOUND);
            };
            write(&mut context, version, &found.to_le_bytes())?;
            give(&mut context, &value, data, size)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_shared_data",
        |mut context: Context<'_>, key: i32, length: i32, value: i32, size: i32, version: u32| {
            if let Some(status) = counted(&mut context, "proxy_set_shared_data") {
                return Ok(status);
            }
            let (key, value) = (read(&context, key, length)?, read(&context, value, size)?);
            let shared = &mut context.data_mut().shared;
            let found = shared.get(&key).map(|(_, version)| *version);
            if found.is_some_and(|found| version != 0 && found != version) {
                return Ok::<_, Error>(CAS_MISMATCH);
            }
            shared.insert(key, (value, found.unwrap_or_default() + 1));
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |mut context: Context<'_>, _: i32, name: i32, size: i32, result: i32| -> Status {
            if let Some(status) = counted(&mut context, "proxy_define_metric") {
                return Ok(status);
            }
            let name = read(&context, name, size)?;
            let metrics = &mut context.data_mut().metrics;
            let next = u32::try_from(metrics.len()).unwrap_or(u32::MAX);
            let id = *metrics.entry(name).or_insert(next);
            write(&mut context, result, &id.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    for name in ["proxy_increment_metric", "proxy_record_metric"] {
        linker.func_wrap("env", name, move |mut context: Context<'_>, _: i32, _: i64| -> i32 {
            counted(&mut context, name).unwrap_or(OK)
        })?;
    }
    Ok(())
}

fn acting(linker: &mut Linker<Host>) -> Result<(), Error> {
    linker.func_wrap(
        "env",
        "proxy_http_call",
        |mut context: Context<'_>,
         _: i32,
         _: i32,
         headers: i32,
         headers_size: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         result: i32|
         -> Status {
            // The two refusals that Envoy has for it.
            if let Some(status) = counted(&mut context, "proxy_http_call") {
                return Ok(if status % 2 == 0 { BAD_ARGUMENT } else { INTERNAL_FAILURE });
            }
            read(&context, headers, headers_size)?;
            let host = context.data_mut();
            host.last_callout += 1;
            let id = host.last_callout;
            host.callouts.push(id);
            write(&mut context, result, &id.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_send_local_response",
        |mut context: Context<'_>,
         status: u32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32,
         _: i32|
         -> i32 {
            if let Some(status) = counted(&mut context, "proxy_send_local_response") {
                return status;
            }
            let host = context.data_mut();
            host.answers.push((host.effective, status));
            OK
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_effective_context",
        |mut context: Context<'_>, id: u32| -> i32 {
            // The SDK relies on it for the root, as it may.
            let _ = counted(&mut context, "proxy_set_effective_context");
            let host = context.data_mut();
            if host.known.as_ref().is_some_and(|known| !known.contains(&id)) {
                return BAD_ARGUMENT;
            }
            host.effective = id;
            OK
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_tick_period_milliseconds",
        |mut context: Context<'_>, period: u32| -> i32 {
            if let Some(status) = counted(&mut context, "proxy_set_tick_period_milliseconds") {
                return status;
            }
            context.data_mut().tick_period = period;
            OK
        },
    )?;
    Ok(())
}

/// No environment, a clock that stands with the host's, and bytes that are always the same.
fn wasi(linker: &mut Linker<Host>) -> Result<(), Error> {
    const WASI: &str = "wasi_snapshot_preview1";
    linker.func_wrap(
        WASI,
        "environ_sizes_get",
        |mut context: Context<'_>, count: i32, size: i32| -> Status {
            let _ = counted(&mut context, "environ_sizes_get");
            write(&mut context, count, &[0; 4])?;
            write(&mut context, size, &[0; 4])?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        WASI,
        "random_get",
        |mut context: Context<'_>, target: i32, size: i32| -> Status {
            let _ = counted(&mut context, "random_get");
            let bytes: Vec<u8> = (0..size)
                .map(|_| {
                    let host = context.data_mut();
                    // Knuth's MMIX generator.
                    host.random = host.random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                    host.random.to_be_bytes()[0]
                })
                .collect();
            write(&mut context, target, &bytes)?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        WASI,
        "clock_time_get",
        |mut context: Context<'_>, _: i32, _: i64, result: i32| -> Status {
            let _ = counted(&mut context, "clock_time_get");
            let time = context.data().time;
            write(&mut context, result, &time.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    Ok(())
}
