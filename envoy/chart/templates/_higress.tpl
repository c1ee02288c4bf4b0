{{- /* TLS that holds the other side to its name; a cluster of Higress's holds it to nothing. */}}
{{- define "higressTls" -}}
name: envoy.transport_sockets.tls
typed_config:
  "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
  sni: {{ .host }}
  common_tls_context:
    validation_context:
      trusted_ca: { filename: {{ .authorities }} }
      match_typed_subject_alt_names:
      - { san_type: DNS, matcher: { exact: {{ .host }} } }
{{- end }}
