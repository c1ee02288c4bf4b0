//! Every host call. Bytes in and out, errors as values: the SDK's own getters panic on text that
//! is not UTF-8 and on a status that they do not expect.

#![expect(unsafe_code, reason = "the ABI is made of C functions and raw memory")]

mod resume;

use std::cell::RefCell;
use std::ptr::{null, null_mut};
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, LogLevel, MapType, Status};

use crate::http::{Callout, DispatchError, Response};
use crate::http::{Headers, encode};
use crate::jwt::{self, Claims};
use crate::metrics::Kind;
use crate::reply::Reply;

pub(super) use resume::{change_headers, resume_request};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(
        map_type: u32,
        return_data: *mut *mut u8,
        return_size: *mut usize,
    ) -> u32;

    fn proxy_get_property(
        path: *const u8,
        path_size: usize,
        return_data: *mut *mut u8,
        return_size: *mut usize,
    ) -> u32;

    fn proxy_set_property(
        path: *const u8,
        path_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;

    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        return_data: *mut *mut u8,
        return_size: *mut usize,
        return_version: *mut u32,
    ) -> u32;

    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        version: u32,
    ) -> u32;

    fn proxy_get_buffer_bytes(
        buffer_type: u32,
        start: usize,
        max_size: usize,
        return_data: *mut *mut u8,
        return_size: *mut usize,
    ) -> u32;

    fn proxy_set_effective_context(context_id: u32) -> u32;

    fn proxy_get_current_time_nanoseconds(return_time: *mut u64) -> u32;

    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;

    fn proxy_define_metric(
        kind: u32,
        name: *const u8,
        name_size: usize,
        return_id: *mut u32,
    ) -> u32;

    fn proxy_increment_metric(id: u32, offset: i64) -> u32;

    fn proxy_record_metric(id: u32, value: u64) -> u32;

    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    /// The standard library's `Instant` reads it too, but does not tell a time that the workers of
    /// a process could share.
    fn clock_time_get(clock: u32, precision: u64, return_time: *mut u64) -> u32;
}

unsafe extern "C" {
    /// The SDK's entry point for a tick.
    fn proxy_on_tick(context_id: u32);
}

const OK: u32 = Status::Ok as u32;
const NO_GRPC: i32 = -1;

fn header_map(map_type: MapType) -> Option<Headers> {
    let mut data = null_mut();
    let mut size = 0;
    // SAFETY: both pointers are to locals that outlive the call.
    let status = unsafe { proxy_get_header_map_pairs(map_type as u32, &mut data, &mut size) };
    if status != OK {
        return None;
    }
    Headers::decode(take(data, size))
}

/// Takes over what the host has written.
fn take(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() {
        return vec![];
    }
    // SAFETY: the host asked `proxy_on_memory_allocate` for `size` bytes, a boxed slice of that
    // length, wrote them all, and gave them to us.
    let buffer = unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(data, size)) };
    buffer.into_vec()
}

/// An attribute of the current stream; `None` when there is none.
fn property(path: &[&str]) -> Option<Vec<u8>> {
    let path = path.join("\0");
    let mut data = null_mut();
    let mut size = 0;
    // SAFETY: the path is valid for its length, the other pointers are to locals; all outlive the
    // call.
    let status = unsafe { proxy_get_property(path.as_ptr(), path.len(), &mut data, &mut size) };
    (status == OK).then(|| take(data, size))
}

/// Sets filter state of the current stream.
pub(super) fn set_property(name: &str, value: &[u8]) {
    // SAFETY: name and value are valid for their lengths during the call; the host copies. Envoy
    // refuses a name that another filter has set as read-only, and then an access log lacks it.
    let _ = unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// The claims of the current request's token, under a key of the dynamic metadata.
pub(super) fn claims(key: Option<&str>) -> Claims {
    // The whole message, since a claim by itself comes without its type.
    property(&["metadata"]).map_or(Claims::Absent, |metadata| jwt::claims(&metadata, key))
}

/// The client's address with its port.
pub(super) fn source_address() -> Option<String> {
    String::from_utf8(property(&["source", "address"])?).ok()
}

/// Headers of the current request.
pub(super) fn request_headers() -> Option<Headers> {
    header_map(MapType::HttpRequestHeaders)
}

/// The whole body of the current request; empty when there is none.
pub(super) fn request_body() -> Vec<u8> {
    body(BufferType::HttpRequestBody, usize::MAX)
}

/// What the current callout brought, its body up to a size; `num_headers` is 0 when it broke off.
pub(super) fn answer(num_headers: usize, body_size: usize) -> Response {
    if num_headers == 0 {
        return Response::default();
    }
    let headers = header_map(MapType::HttpCallResponseHeaders).unwrap_or_default();
    let body = match body_size {
        0 => vec![],
        size => body(BufferType::HttpCallResponseBody, size),
    };
    Response { headers, body }
}

fn body(buffer: BufferType, most: usize) -> Vec<u8> {
    let mut data = null_mut();
    let mut size = 0;
    // SAFETY: both pointers are to locals that outlive the call.
    let status = unsafe { proxy_get_buffer_bytes(buffer as u32, 0, most, &mut data, &mut size) };
    if status == OK { take(data, size) } else { vec![] }
}

/// Starts a callout and returns Envoy's id of it. By the SDK, as it must know whose callback is to
/// come; it expects the three statuses that Envoy has for this call.
pub(super) fn dispatch(callout: &Callout) -> Result<u32, DispatchError> {
    let headers = callout.headers().collect();
    let body = (!callout.body.is_empty()).then_some(callout.body.as_slice());
    hostcalls::dispatch_http_call(&callout.cluster, headers, body, vec![], callout.timeout).map_err(
        |status| match status {
            Status::InternalFailure => DispatchError::Unavailable,
            _ => DispatchError::UnknownCluster,
        },
    )
}

/// Answers the request of the effective context.
pub(super) fn reply(reply: &Reply) -> Result<(), u32> {
    let headers = reply.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let headers = encode(headers);
    // SAFETY: each pointer is valid for its length during the call; the host copies.
    let status = unsafe {
        proxy_send_local_response(
            u32::from(reply.status),
            reply.details.as_ptr(),
            reply.details.len(),
            if reply.body.is_empty() { null() } else { reply.body.as_ptr() },
            reply.body.len(),
            headers.as_ptr(),
            headers.len(),
            reply.grpc_status.map_or(NO_GRPC, i32::from),
        )
    };
    done(status)
}

fn done(status: u32) -> Result<(), u32> {
    if status == OK { Ok(()) } else { Err(status) }
}

/// Makes the next host calls those of another context. The caller must know that it is alive:
/// Envoy keeps a stream for a while that the SDK has forgotten, and an answer to it would come
/// back as a callback that panics the SDK.
pub(super) fn act_as(context_id: u32) -> Result<(), u32> {
    // SAFETY: a call without pointers.
    let status = unsafe { proxy_set_effective_context(context_id) };
    if status == OK { Ok(()) } else { Err(status) }
}

/// Runs the root's tick callback from within a stream's.
///
/// The SDK books a callout to the context whose callback is running, and drops its answer when
/// that context is gone. Ours must outlive their requests, so the root dispatches them. The SDK
/// keeps roots and streams apart, so this borrows nothing twice; it must not be called from a
/// callback of the root.
pub(super) fn run_root(root_id: u32) {
    // SAFETY: an exported function of this module, called on its only thread.
    unsafe { proxy_on_tick(root_id) }
}

/// A value that the workers share, with its version.
pub(super) fn shared_data(key: &str) -> Option<(Vec<u8>, u32)> {
    let mut data = null_mut();
    let mut size = 0;
    let mut version = 0;
    // SAFETY: the key is valid for its length, the other pointers are to locals; all outlive the
    // call.
    let status = unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), &mut data, &mut size, &mut version)
    };
    (status == OK).then(|| (take(data, size), version))
}

/// Stores a value that the workers share, unless it has another version by now.
pub(super) fn set_shared_data(key: &str, value: &[u8], version: u32) -> bool {
    // SAFETY: key and value are valid for their lengths during the call; the host copies.
    let status = unsafe {
        proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), version)
    };
    status == OK
}

/// Lets Envoy call `on_tick` of the root again and again; never, for a period of zero.
pub(super) fn tick_every(period: Duration) {
    let millis = period.as_micros().div_ceil(1000);
    let millis = u32::try_from(millis).unwrap_or(u32::MAX);
    // SAFETY: a call without pointers. It fails for no reason but a missing root context.
    let _ = unsafe { proxy_set_tick_period_milliseconds(millis) };
}

/// Envoy's id of a metric: the same for a name that another worker has defined.
pub(super) fn define_metric(kind: Kind, name: &str) -> Option<u32> {
    let kind = match kind {
        Kind::Counter => 0,
        Kind::Gauge => 1,
        Kind::Histogram => 2,
    };
    let mut id = 0;
    // SAFETY: the name is valid for its length, the other pointer is to a local; both outlive the
    // call.
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &mut id) };
    (status == OK).then_some(id)
}

/// Adds to a counter or a gauge.
pub(super) fn increment_metric(id: u32, offset: i64) {
    // SAFETY: a call without pointers. It fails for an unknown id only.
    let _ = unsafe { proxy_increment_metric(id, offset) };
}

/// Sets a gauge, or records a value in a histogram.
pub(super) fn record_metric(id: u32, value: u64) {
    // SAFETY: as above.
    let _ = unsafe { proxy_record_metric(id, value) };
}

/// Time since some moment before Envoy's process began; it never goes back.
pub(super) fn monotonic_time() -> Option<Duration> {
    /// WASI's `CLOCK_MONOTONIC`, and its word for success.
    const MONOTONIC: u32 = 1;
    const SUCCESS: u32 = 0;
    let mut nanoseconds = 0;
    // SAFETY: the pointer is to a local that outlives the call.
    let error = unsafe { clock_time_get(MONOTONIC, 1, &mut nanoseconds) };
    (error == SUCCESS).then(|| Duration::from_nanos(nanoseconds))
}

/// Time since the Unix epoch.
pub(super) fn wall_time() -> Option<Duration> {
    let mut nanoseconds = 0;
    // SAFETY: the pointer is to a local that outlives the call.
    let status = unsafe { proxy_get_current_time_nanoseconds(&mut nanoseconds) };
    (status == OK).then(|| Duration::from_nanos(nanoseconds))
}

/// Random bytes of the host, each given out once.
pub(super) fn random() -> Option<[u8; 16]> {
    thread_local!(static STOCK: RefCell<Vec<[u8; 16]>> = const { RefCell::new(vec![]) });
    // A question for a few bytes costs Envoy as much as one for many.
    const AT_ONCE: usize = 64;
    STOCK.with_borrow_mut(|stock| {
        if stock.is_empty() {
            let mut bytes = [0; AT_ONCE * 16];
            getrandom::fill(&mut bytes).ok()?;
            stock.extend_from_slice(bytes.as_chunks().0);
        }
        stock.pop()
    })
}

/// The plugin's configuration.
pub(super) fn configuration() -> Vec<u8> {
    body(BufferType::PluginConfiguration, usize::MAX)
}

/// Does not build what Envoy would not show.
pub(super) fn adopt_log_level() {
    proxy_wasm::set_log_level(hostcalls::get_log_level().unwrap_or(LogLevel::Info));
}
