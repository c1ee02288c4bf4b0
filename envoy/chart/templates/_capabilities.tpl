{{- /* What the module may ask Envoy for, and the calls that it gets. */}}
{{- define "capabilities" -}}
proxy_on_context_create: {}
proxy_on_delete: {}
proxy_on_http_call_response: {}
proxy_on_request_body: {}
proxy_on_request_headers: {}
proxy_on_request_trailers: {}
proxy_add_header_map_value: {}
proxy_continue_stream: {}
proxy_get_buffer_bytes: {}
proxy_get_header_map_pairs: {}
proxy_get_property: {}
proxy_http_call: {}
proxy_remove_header_map_value: {}
proxy_send_local_response: {}
proxy_set_effective_context: {}
proxy_set_property: {}
proxy_on_configure: {}
proxy_on_tick: {}
proxy_on_vm_start: {}
proxy_get_current_time_nanoseconds: {}
proxy_get_shared_data: {}
proxy_set_shared_data: {}
proxy_set_tick_period_milliseconds: {}
proxy_define_metric: {}
proxy_get_log_level: {}
proxy_increment_metric: {}
proxy_log: {}
proxy_record_metric: {}
environ_get: {}
environ_sizes_get: {}
random_get: {}
clock_time_get: {}
fd_write: {}
proc_exit: {}
sched_yield: {}
{{- end }}
