{{- /* Which gateway the resources of Istio are for. */}}
{{- define "istioTarget" -}}
{{- if .Values.gateway.name -}}
targetRefs:
- { group: gateway.networking.k8s.io, kind: Gateway, name: {{ .Values.gateway.name }} }
{{- else -}}
workloadSelector: { labels: {{ include "labels" . }} }
{{- end }}
{{- end }}

{{- define "labels" -}}
{ {{ range $name, $value := .Values.gateway.labels }}{{ if ne $name (keys $.Values.gateway.labels | sortAlpha | first) }}, {{ end }}{{ $name }}: {{ $value }}{{ end }} }
{{- end }}

{{- define "istioPluginTarget" -}}
{{- if .Values.gateway.name -}}
targetRefs:
- { group: gateway.networking.k8s.io, kind: Gateway, name: {{ .Values.gateway.name }} }
{{- else -}}
selector: { matchLabels: {{ include "labels" . }} }
{{- end }}
{{- end }}

{{- /* What sender and gate have in common, in a WasmPlugin or in the `wasm` of a TrafficExtension. */}}
{{- define "istioWasm" -}}
# What `make package` makes, in your registry. By digest (…@sha256:…) it is always the same.
url: oci://{{ include "image" . }}
{{- with .Values.image.pullSecret }}
imagePullSecret: {{ . }}
{{- end }}
# A worker whose VM has failed starts a new one. Never FAIL_OPEN: requests would pass unsent.
failStrategy: FAIL_RELOAD
{{- with include "variable" . }}
# HOST: of the proxy's environment. INLINE would show in this resource. The gate needs no
# secret, but both may share a VM, which has the environment of the first.
vmConfig:
  env:
  - { name: {{ . }}, valueFrom: HOST }
{{- end }}
{{- end }}
