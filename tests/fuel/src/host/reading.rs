//! What the module reads, and what it logs.

use wasmi::{Error, Linker};

use super::{BAD_ARGUMENT, Context, Host, NOT_FOUND, OK, Status, counted, give, read, write};

const REQUEST_BODY: i32 = 0;
const PLUGIN_CONFIGURATION: i32 = 7;
const REQUEST_HEADERS: i32 = 0;
const ANSWER_HEADERS: i32 = 6;
const ANSWER_BODY: i32 = 4;
const WARN: i32 = 3;

/// Requests, answers, the time, the log.
pub(super) fn define(linker: &mut Linker<Host>) -> Result<(), Error> {
    linker.func_wrap(
        "env",
        "proxy_get_header_map_pairs",
        |mut context: Context<'_>, map: i32, data: i32, size: i32| -> Status {
            if let Some(status) = counted(&mut context, "proxy_get_header_map_pairs") {
                return Ok(status);
            }
            let bytes = match map {
                REQUEST_HEADERS => context.data().request_headers.clone(),
                ANSWER_HEADERS => context.data().answer_headers.clone(),
                _ => return Ok(BAD_ARGUMENT),
            };
            give(&mut context, &bytes, data, size)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_buffer_bytes",
        |mut context: Context<'_>, kind: i32, start: i32, most: i32, data: i32, size: i32| {
            if let Some(status) = counted(&mut context, "proxy_get_buffer_bytes") {
                return Ok(status);
            }
            let mut bytes = match kind {
                REQUEST_BODY => context.data().request_body.clone(),
                ANSWER_BODY => context.data().answer_body.clone(),
                PLUGIN_CONFIGURATION => context.data().configuration.clone(),
                _ => return Ok(NOT_FOUND),
            };
            bytes.drain(..bytes.len().min(start.cast_unsigned() as usize));
            bytes.truncate(most.cast_unsigned() as usize);
            give(&mut context, &bytes, data, size)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_property",
        |mut context: Context<'_>, _: i32, _: i32, _: i32, _: i32| -> i32 {
            counted(&mut context, "proxy_get_property").unwrap_or(NOT_FOUND)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_current_time_nanoseconds",
        |mut context: Context<'_>, result: i32| -> Status {
            if let Some(status) = counted(&mut context, "proxy_get_current_time_nanoseconds") {
                return Ok(status);
            }
            let time = context.data().time;
            write(&mut context, result, &time.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_get_log_level",
        |mut context: Context<'_>, result: i32| -> Status {
            let _ = counted(&mut context, "proxy_get_log_level");
            write(&mut context, result, &WARN.to_le_bytes())?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_log",
        |mut context: Context<'_>, level: i32, text: i32, size: i32| -> Status {
            let _ = counted(&mut context, "proxy_log");
            let text = read(&context, text, size)?;
            // The first are enough to know what is wrong.
            if level >= WARN && context.data().log.len() < 20 {
                context.data_mut().log.push(String::from_utf8_lossy(&text).into_owned());
            }
            Ok(OK)
        },
    )?;
    Ok(())
}
