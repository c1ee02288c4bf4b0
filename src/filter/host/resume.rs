//! What lets a request go on.

use proxy_wasm::types::MapType;

use super::done;
use crate::exchange::Forwarding;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_add_header_map_value(
        map_type: u32,
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;

    fn proxy_remove_header_map_value(map_type: u32, key: *const u8, key_size: usize) -> u32;

    fn proxy_continue_stream(stream_type: u32) -> u32;
}

/// Changes the headers of the effective context's request.
pub(in crate::filter) fn change_headers(forwarding: &Forwarding) -> Result<(), u32> {
    let map = MapType::HttpRequestHeaders as u32;
    for name in &forwarding.removed {
        // SAFETY: the name is valid for its length during the call.
        done(unsafe { proxy_remove_header_map_value(map, name.as_ptr(), name.len()) })?;
    }
    for (name, value) in &forwarding.added {
        // SAFETY: both are valid for their lengths during the call; the host copies.
        done(unsafe {
            proxy_add_header_map_value(map, name.as_ptr(), name.len(), value.as_ptr(), value.len())
        })?;
    }
    Ok(())
}

/// Lets the request of the effective context go on, from a callback that is not its own.
pub(in crate::filter) fn resume_request() -> Result<(), u32> {
    const REQUEST: u32 = 0;
    // SAFETY: a call without pointers.
    done(unsafe { proxy_continue_stream(REQUEST) })
}
