{{/* Parts of NetworkPolicies. */}}

{{/* Pods of a component of this release, seen from another namespace. */}}
{{- define "vibed.peer" -}}
namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ (index . 0).Release.Namespace }}}}
podSelector:
  matchLabels: {{- include "vibed.selector" . | nindent 4 }}
{{- end }}

{{/* Sandboxes, seen from here. */}}
{{- define "vibed.sandboxPeer" -}}
namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .Values.namespaces.apps }}}}
{{- end }}

{{/* Names, and the Kubernetes API, whose address a policy cannot know. */}}
{{- define "vibed.clusterEgress" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}
{{- define "vibed.apiServerEgress" -}}
- ports:
    {{- range .Values.networkPolicy.apiServerPorts }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}

{{/* The bucket, and who gives credentials for it: AWS's own services are at 443, which the Kubernetes API has opened. */}}
{{- define "vibed.bucketEgress" -}}
{{- $tarball := .Values.config.storage.tarball -}}
{{- if eq $tarball.backend "s3" -}}
{{- with $tarball.s3.endpoint }}
{{- $url := urlParse . }}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) }}
- ports:
    - {port: {{ default (ternary "80" "443" (eq $url.scheme "http")) $port }}, protocol: TCP}
{{- end }}
- to:
    - ipBlock: {cidr: 169.254.169.254/32}
    - ipBlock: {cidr: 169.254.170.23/32}
    - ipBlock: {cidr: "fd00:ec2::23/128"}
    - ipBlock: {cidr: "fd00:ec2::254/128"}
  ports:
    - {port: 80, protocol: TCP}
{{- end -}}
{{- end }}
