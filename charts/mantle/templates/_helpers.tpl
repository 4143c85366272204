{{/* The name of everything that the chart makes. */}}
{{- define "mantle.name" -}}
{{- .Values.nameOverride | default "mantle" -}}
{{- end -}}

{{- define "mantle.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (include "mantle.name" .) -}}
{{- end -}}

{{/* Labels by which the operator's pods are found; they never change. */}}
{{- define "mantle.selectorLabels" -}}
app.kubernetes.io/name: mantle
app.kubernetes.io/instance: {{ include "mantle.name" . }}
{{- end -}}

{{- define "mantle.labels" -}}
{{ include "mantle.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "mantle.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}
