{{- define "jitsi-verifier.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "jitsi-verifier.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "jitsi-verifier.labels" -}}
{{ include "jitsi-verifier.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "jitsi-verifier.image" -}}
{{- if not .Values.image.repository -}}
{{- fail "\n\nimage.repository is missing: build the image, push it to your registry, and set its name, such as registry.example.org/jitsi-verifier\n" -}}
{{- end -}}
{{- if and .Values.image.tag .Values.image.digest -}}
{{- fail "\n\nimage.tag and image.digest are both set: set one of them\n" -}}
{{- end -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest -}}@{{ .Values.image.digest }}{{- else -}}:{{ .Values.image.tag | default .Chart.AppVersion }}{{- end -}}
{{- end -}}

{{- define "jitsi-verifier.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "jitsi-verifier.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "jitsi-verifier.secret" -}}
{{- .Values.existingSecret.name | default (include "jitsi-verifier.fullname" .) -}}
{{- end -}}

{{/* The keys of the Secret, as a JSON array. */}}
{{- define "jitsi-verifier.secretKeys" -}}
{{- if .Values.existingSecret.name -}}{{ toJson .Values.existingSecret.keys }}{{- else -}}{{ keys .Values.secrets | sortAlpha | toJson }}{{- end -}}
{{- end -}}

{{- define "jitsi-verifier.address" -}}
http://{{ include "jitsi-verifier.fullname" . }}.{{ .Release.Namespace }}.svc.cluster.local:8090
{{- end -}}
