{{- /* Envoy's options of the cluster, as YAML: the value of typed_extension_protocol_options. */}}
{{- define "options" -}}
envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
  "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
  # Idle connections are closed here first: a message that meets the closing on the other
  # side has an unknown fate.
  common_http_protocol_options: { idle_timeout: 60s }
  # Service Bus speaks HTTP/1.1.
  explicit_http_config: { http_protocol_options: {} }
  http_filters:
{{- with .Values.credentials.tokenFile }}
  # Envoy adds the token; the filter never sees it.
  - name: envoy.filters.http.credential_injector
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector
      # Without a token nothing is sent.
      allow_request_without_credential: false
      overwrite: true
      credential:
        name: envoy.http.injected_credentials.generic
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic
          header: authorization
          credential:
            name: service-bus-token
            sds_config:
              resource_api_version: V3
              path_config_source:
                path: {{ .path }}
                # Envoy looks for files that are moved into the folder.
                watched_directory: { path: {{ dir .path }} }
{{- end }}
  - name: envoy.filters.http.header_mutation
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
      mutations:
        request_mutations:
        - remove: x-envoy-internal
        - remove: x-envoy-expected-rq-timeout-ms
        - remove: x-envoy-attempt-count
        - remove: x-forwarded-for
        - remove: x-forwarded-proto
        - remove: x-request-id
  - name: envoy.filters.http.upstream_codec
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec
{{- end }}
