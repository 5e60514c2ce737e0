{{/* Names, labels and images. */}}

{{- define "vibed.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The API's name, and the beginning of all others; leaves room for what follows. */}}
{{- define "vibed.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Of objects that belong to no namespace: two installations on one cluster do not see each other. */}}
{{- define "vibed.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "vibed.fullname" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "vibed.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* include "vibed.selector" (list . "api") */}}
{{- define "vibed.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "vibed.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* include "vibed.labels" (list . "api") */}}
{{- define "vibed.labels" -}}
{{- $root := index . 0 -}}
{{ include "vibed.selector" . }}
app.kubernetes.io/part-of: vibed
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ include "vibed.chart" $root }}
{{- end -}}

{{/* An image of vibed: include "vibed.image" (list . .Values.controller.image). What has a tag or digest is taken as it is; a port of
the registry is not a tag. */}}
{{- define "vibed.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $name := $image.repository -}}
{{- if $root.Values.image.registry -}}
{{- $name = printf "%s/%s" (trimSuffix "/" $root.Values.image.registry) $name -}}
{{- end -}}
{{- if or (contains ":" (base $name)) (contains "@" (base $name)) -}}
{{- $name -}}
{{- else -}}
{{- printf "%s:%s" $name (coalesce $image.tag $root.Values.image.tag $root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* include "vibed.account" (list . .Values.controller.serviceAccount "-controller") */}}
{{- define "vibed.account" -}}
{{- $account := index . 1 -}}
{{- $otherwise := printf "%s%s" (include "vibed.fullname" (index . 0)) (index . 2) -}}
{{- default $otherwise $account.name -}}
{{- end -}}

{{- define "vibed.apiAccount" -}}{{ include "vibed.account" (list . .Values.serviceAccount "") }}{{- end -}}
{{- define "vibed.controllerAccount" -}}{{ include "vibed.account" (list . .Values.controller.serviceAccount "-controller") }}{{- end -}}
{{- define "vibed.caddyAccount" -}}{{ include "vibed.account" (list . .Values.caddy.serviceAccount "-caddy") }}{{- end -}}

{{- define "vibed.agentSecret" -}}
{{- default (printf "%s-agent" (include "vibed.fullname" .)) .Values.agentAuth.existingSecret -}}
{{- end -}}

{{- define "vibed.keysSecret" -}}
{{- default (printf "%s-keys" (include "vibed.fullname" .)) .Values.auth.existingSecret -}}
{{- end -}}

{{- define "vibed.priority" -}}
{{- if .Values.priority.create -}}
{{- printf "%s-control-plane" (include "vibed.clusterName" .) -}}
{{- else -}}
{{- .Values.priority.controlPlane.name -}}
{{- end -}}
{{- end -}}

{{- define "vibed.sandboxPriority" -}}
{{- if .Values.priority.create -}}
{{- printf "%s-sandbox" (include "vibed.clusterName" .) -}}
{{- else -}}
{{- .Values.priority.sandbox.name -}}
{{- end -}}
{{- end -}}

{{/* "true" or nothing. */}}
{{- define "vibed.tls" -}}
{{- $tls := .Values.caddy.tls -}}
{{- if or $tls.existingSecret $tls.dns01.enabled $tls.config -}}true{{- end -}}
{{- end -}}
