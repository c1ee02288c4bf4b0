{{- /* The image, by digest if there is one. */}}
{{- define "image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* The name that Envoy's cluster gets from the control plane. */}}
{{- define "cluster" -}}
{{- if eq .Values.controlPlane "envoyGateway" -}}
httproute/{{ .Release.Namespace }}/service-bus/rule/0
{{- else if eq .Values.controlPlane "higress" -}}
outbound|443||service-bus.dns
{{- else -}}
outbound|443||{{ .Values.serviceBus.namespace }}
{{- end }}
{{- end }}

{{- /* The cluster of what gives tokens. */}}
{{- define "tokensCluster" -}}
{{- $imds := hasKey .Values.credentials "managedIdentity" -}}
{{- if eq .Values.controlPlane "envoyGateway" -}}
httproute/{{ .Release.Namespace }}/service-bus-tokens/rule/0
{{- else if eq .Values.controlPlane "higress" -}}
outbound|{{ ternary "80" "443" $imds }}||service-bus-tokens.{{ ternary "static" "dns" $imds }}
{{- else -}}
outbound|{{ ternary "80||imds.internal" "443||login.microsoftonline.com" $imds }}
{{- end }}
{{- end }}

{{- /* The variable of the proxy's environment that holds the secret; empty where there is none. */}}
{{- define "variable" -}}
{{- if hasKey .Values.credentials "connectionString" -}}
SB_CONNECTION_STRING
{{- else if hasKey .Values.credentials "clientSecret" -}}
SB_CLIENT_SECRET
{{- end }}
{{- end }}

{{- /* The entry in the environment of a container, as YAML. */}}
{{- define "environment" -}}
{{- with .Values.credentials.connectionString | default .Values.credentials.clientSecret -}}
- name: {{ include "variable" $ }}
  valueFrom:
    secretKeyRef: { name: {{ .secret }}, key: {{ .key }} }
{{- end }}
{{- end }}

{{- /* The filter's credentials, as YAML. */}}
{{- define "credentials" -}}
{{- with .Values.credentials -}}
{{- if .connectionString -}}
connection_string: { env: SB_CONNECTION_STRING }
{{- else if hasKey . "managedIdentity" -}}
managed_identity:
  cluster: {{ include "tokensCluster" $ }}
  source: imds
{{- with (.managedIdentity | default dict).clientId }}
  client_id: {{ . }}
{{- end }}
{{- else if .clientSecret -}}
client_secret:
  cluster: {{ include "tokensCluster" $ }}
  tenant_id: {{ .clientSecret.tenantId }}
  client_id: {{ .clientSecret.clientId }}
  secret: { env: SB_CLIENT_SECRET }
{{- else -}}
upstream: {}
{{- end }}
{{- end }}
{{- end }}

{{- /* The routes with the methods that a route has without naming any: sender and gate must agree. */}}
{{- define "routes" -}}
{{- range .Values.routes }}
{{- if and (hasKey . "forward") (ne $.Values.install "filter") }}
{{- fail (printf "routes: %s: a gate cannot be woken: `forward` needs `install: filter`" .name) }}
{{- end }}
{{- $match := .match }}
{{- if not $match.methods }}
{{- $match = set (deepCopy $match) "methods" (list (ternary "GET" "POST" (hasKey . "lookup"))) }}
{{- end }}
- name: {{ .name }}
  match:
{{- toYaml $match | nindent 4 }}
{{- with omit . "name" "match" }}
{{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The sender's configuration, as YAML. */}}
{{- define "sender" -}}
namespace: {{ .Values.serviceBus.namespace }}
cluster: {{ include "cluster" . }}
credentials:
{{- include "credentials" . | nindent 2 }}
{{- if ne .Values.install "filter" }}
header_mode: continue
{{- end }}
{{- if not (hasKey .Values.plugin "filter_state") }}
# What became of a message, for a line of the access log such as
# %FILTER_STATE(wasm.service_bus.outcome:PLAIN)%; so too route, entity, message_id, attempts,
# destination and broker_tracking_id.
# filter_state: true
{{- end }}
{{- with .Values.plugin }}
{{- toYaml . | nindent 0 }}
{{- end }}
routes:
{{- include "routes" . }}
{{- end }}

{{- /* The gate's configuration, as YAML. */}}
{{- define "gate" -}}
role: gate
# Name and match of each route of the sender, in the same order.
routes:
{{- range include "routes" . | fromYamlArray }}
- name: {{ .name }}
  match:
{{- toYaml .match | nindent 4 }}
{{- end }}
{{- end }}

{{- /* How many messages the workers of one Envoy may have in flight. */}}
{{- define "inFlight" -}}
{{- $each := ((.Values.plugin).delivery).max_in_flight | default 1024 -}}
{{ mul (int64 .Values.gateway.workers) (int64 $each) }}
{{- end }}

{{- /* What Envoy holds of one request's body: the filter's max_body_bytes and as much again. */}}
{{- define "bufferLimit" -}}
{{- $body := (.Values.plugin).max_body_bytes | default 262144 -}}
{{ .Values.gateway.bufferLimit | default (mul 2 (int64 $body)) | int64 }}
{{- end }}
