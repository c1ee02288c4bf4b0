"""What the module asks of its host. A host that lacks one of these cannot load it."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifact import wasm
from configuration.gateway import GatewayConfiguration
from configuration.orders import OrdersConfiguration

WASI = {"environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"}

# What the CEL interpreter links: clocks and locks of the standard library.
OF_CEL = {"clock_time_get", "sched_yield"}

# What the filter calls.
NEEDED = {
    "proxy_add_header_map_value",
    "proxy_continue_stream",
    "proxy_define_metric",
    "proxy_get_buffer_bytes",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_log_level",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_http_call",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_remove_header_map_value",
    "proxy_send_local_response",
    "proxy_set_effective_context",
    "proxy_set_property",
    "proxy_set_shared_data",
    "proxy_set_tick_period_milliseconds",
}

# What Envoy calls. The SDK exports more, with nothing of the filter behind them.
CALLBACKS = {
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_request_body",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_tick",
    "proxy_on_vm_start",
}

# What the SDK's traits can call: the linker cannot tell that the filter never does.
OF_THE_SDK = {
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_header_map_value",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_register_shared_queue",
    "proxy_replace_header_map_value",
    "proxy_resolve_shared_queue",
    "proxy_set_buffer_bytes",
    "proxy_set_header_map_pairs",
}


def test_it_imports_these_functions_and_no_others(module: Path) -> None:
    assert wasm.imports(module) == {
        *(("wasi_snapshot_preview1", name) for name in WASI | OF_CEL),
        *(("env", name) for name in NEEDED | OF_THE_SDK),
    }


def test_it_exports_the_callbacks_that_the_filter_lives_by_and_no_others(module: Path) -> None:
    linkage = {"_initialize", "memory", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate"}
    assert wasm.exports(module) == linkage | CALLBACKS


@pytest.mark.parametrize("shipped", [GatewayConfiguration, OrdersConfiguration])
def test_shipped_configurations_allow_what_the_filter_needs_and_no_more(
    module: Path, shipped: type[GatewayConfiguration]
) -> None:
    restriction = shipped(module).wasm["capability_restriction_config"]
    # An option of a capability would be refused: Envoy knows none yet.
    assert restriction == {
        "allowed_capabilities": {name: {} for name in WASI | OF_CEL | NEEDED | CALLBACKS}
    }
