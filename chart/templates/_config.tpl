{{/* vibed.yaml of the controller and the router; the API's has more (docs/configuration.md). */}}
{{- define "vibed.commonConfig" -}}
{{- $tarball := .Values.config.storage.tarball -}}
server:
  logFormat: {{ .Values.config.server.logFormat }}
  logLevel: {{ .Values.config.server.logLevel }}
deployment:
  appsNamespace: {{ .Values.namespaces.apps }}
  readyTimeout: {{ .Values.config.deployment.readyTimeout }}
storage:
  tarball:
    backend: {{ $tarball.backend }}
    delivery: {{ $tarball.delivery }}
    {{- if eq $tarball.backend "s3" }}
    s3:
      {{- range $key, $value := $tarball.s3 }}
      {{- if $value }}
      {{ $key }}: {{ $value | quote }}
      {{- end }}
      {{- end }}
    {{- end }}
{{- end -}}

{{- define "vibed.apiConfig" -}}
{{- $api := dict "httpAddr" ":8080" -}}
{{- with .Values.config.server.baseURL }}{{ $_ := set $api "baseURL" . }}{{ end -}}
{{- $auth := dict "enabled" .Values.auth.enabled "mode" .Values.auth.mode "devInsecure" .Values.auth.devInsecure -}}
{{- if .Values.auth.enabled -}}
{{- $keys := list -}}
{{- range .Values.auth.keys -}}
{{- $keys = append $keys (dict "name" .name "role" .role "key" (printf "file:/etc/vibed/keys/%s" .secretKey)) -}}
{{- end -}}
{{- $_ := set $auth "apiKeys" $keys -}}
{{- with .Values.auth.trustedProxies }}{{ $_ := set $auth "trustedProxies" . }}{{ end -}}
{{- end -}}
{{- $limits := dict -}}
{{- range $key, $value := .Values.config.limits }}{{ $_ := set $limits $key (int64 $value) }}{{ end -}}
{{- $more := dict "server" $api "auth" $auth "limits" $limits -}}
{{- with .Values.config.organization.name }}{{ $_ := set $more "organization" (dict "name" .) }}{{ end -}}
{{- merge $more (include "vibed.commonConfig" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* Caddy's app `tls`; nothing for plain http. */}}
{{- define "vibed.caddyTls" -}}
{{- $tls := .Values.caddy.tls -}}
{{- $names := prepend $tls.dns01.names (printf "*.%s" .Values.controller.domain) | uniq -}}
{{- if $tls.existingSecret -}}
{{- $file := dict "certificate" "/etc/vibed/certificate/tls.crt" "key" "/etc/vibed/certificate/tls.key" -}}
{{- dict "certificates" (dict "load_files" (list $file)) | toJson -}}
{{- else if $tls.dns01.enabled -}}
{{- $issuer := dict "module" "acme" "challenges" (dict "dns" (dict "provider" (deepCopy $tls.dns01.provider))) -}}
{{- with $tls.dns01.email }}{{ $_ := set $issuer "email" . }}{{ end -}}
{{- with $tls.dns01.ca }}{{ $_ := set $issuer "ca" . }}{{ end -}}
{{- with $tls.dns01.caSecret }}{{ $_ := set $issuer "trusted_roots_pem_files" (list "/etc/vibed/authority/ca.crt") }}{{ end -}}
{{- $issuer = mergeOverwrite $issuer (deepCopy $tls.dns01.issuer) -}}
{{- $policy := dict "subjects" $names "issuers" (list $issuer) -}}
{{- dict "certificates" (dict "automate" $names) "automation" (dict "policies" (list $policy)) | toJson -}}
{{- else if $tls.config -}}
{{- toJson $tls.config -}}
{{- end -}}
{{- end -}}

{{/* Caddy's storage module; nothing for its folder, and where it keeps nothing. */}}
{{- define "vibed.caddyStorage" -}}
{{- if and (include "vibed.tls" .) .Values.caddy.storage.module -}}
{{- toJson .Values.caddy.storage.module -}}
{{- end -}}
{{- end -}}

{{/* "true" or nothing: whether http is served beside https. */}}
{{- define "vibed.redirect" -}}
{{- if and (include "vibed.tls" .) .Values.caddy.tls.redirect -}}true{{- end -}}
{{- end -}}

{{/* What cannot work is refused here, where the words are better than those of a pod that does not start. */}}
{{- define "vibed.check" -}}
{{- $tarball := .Values.config.storage.tarball -}}
{{- if eq .Values.namespaces.apps .Release.Namespace -}}
{{- fail "namespaces.apps must be another namespace than the release's: nothing but sandboxes may run there" -}}
{{- end -}}
{{- if and (eq $tarball.backend "s3") (not $tarball.s3.bucket) -}}
{{- fail "config.storage.tarball.s3.bucket is missing" -}}
{{- end -}}
{{- if and (eq $tarball.backend "served") (gt (int .Values.replicaCount) 1) -}}
{{- if not (and .Values.persistence.enabled (or .Values.persistence.existingClaim (has "ReadWriteMany" .Values.persistence.accessModes))) -}}
{{- fail "replicaCount above 1 needs config.storage.tarball.backend s3, or persistence with ReadWriteMany: each API would have sources of its own" -}}
{{- end -}}
{{- end -}}
{{- if not (or .Values.auth.enabled .Values.auth.devInsecure) -}}
{{- fail "auth.enabled: false lets everybody be admin: set auth.devInsecure too if that is meant" -}}
{{- end -}}
{{- if and .Values.auth.enabled (not .Values.auth.keys) -}}
{{- fail "auth.enabled needs one of auth.keys" -}}
{{- end -}}
{{- if and .Values.caddy.tls.existingSecret .Values.caddy.tls.dns01.enabled -}}
{{- fail "caddy.tls: existingSecret or dns01, not both" -}}
{{- end -}}
{{- if and .Values.caddy.tls.dns01.enabled (not .Values.caddy.tls.dns01.provider) -}}
{{- fail "caddy.tls.dns01.provider is missing: which module of your Caddy writes the records" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- fail "metrics.serviceMonitor needs networkPolicy.metricsFrom: who may read metrics" -}}
{{- end -}}
{{- range $account := list .Values.serviceAccount .Values.controller.serviceAccount .Values.caddy.serviceAccount -}}
{{- if not (or $account.create $account.name) -}}
{{- fail "serviceAccount.create: false needs its name" -}}
{{- end -}}
{{- end -}}
{{- if not (and (lt (int .Values.controller.retryPeriod) (int .Values.controller.renewDeadline)) (lt (int .Values.controller.renewDeadline) (int .Values.controller.leaseDuration))) -}}
{{- fail "controller: retryPeriod < renewDeadline < leaseDuration" -}}
{{- end -}}
{{- end -}}
