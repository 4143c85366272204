package main

import "strings"

// serviceAccount converts the ServiceAccount.
func serviceAccount(objects []object) (string, error) {
	m := &marks{}
	if err := scaffold(objects[0], m); err != nil {
		return "", err
	}
	metadata, err := at(objects[0], "metadata")
	if err != nil {
		return "", err
	}
	metadata["name"] = m.scalar(accountExpression)
	metadata["annotations"] = m.field(`PAD{{- with .Values.serviceAccount.annotations }}
PADannotations:
PAD  {{- toYaml . | nindent DEEP }}
PAD{{- end }}`)
	text, err := m.text(objects[0])
	return "{{- if .Values.serviceAccount.create }}\n" + text + "{{- end }}\n", err
}

// service converts the Service of metrics and output.
func service(objects []object) (string, error) {
	m := &marks{}
	if err := scaffold(objects[0], m); err != nil {
		return "", err
	}
	spec, err := at(objects[0], "spec")
	if err != nil {
		return "", err
	}
	spec["selector"] = m.value(selectorLabels)
	return m.text(objects[0])
}

// optional is a field that is there when its value is, with the value's name in the place of NAME.
const optional = `PAD{{- with .Values.NAME }}
PADNAME:
PAD  {{- toYaml . | nindent DEEP }}
PAD{{- end }}`

// arguments are the container's.
const arguments = `PAD{{- if .Values.leaderElection }}
PAD- --leader-elect
PAD{{- end }}
PAD{{- with .Values.watchNamespaces }}
PAD- --namespaces={{ join "," . }}
PAD{{- end }}
PAD{{- with .Values.engineDir }}
PAD- {{ printf "--engine-dir=%s" . | quote }}
PAD{{- end }}
PAD{{- with .Values.targetAllowCIDRs }}
PAD- {{ printf "--target-allow-cidr=%s" (join "," .) | quote }}
PAD{{- end }}
PAD{{- with .Values.packageAllowCIDRs }}
PAD- {{ printf "--package-allow-cidr=%s" (join "," .) | quote }}
PAD{{- end }}
PAD{{- if .Values.metrics.tlsSecret }}
PAD- --metrics-cert-path=/etc/mantle/metrics
PAD{{- end }}
PAD{{- range .Values.extraArgs }}
PAD- {{ . | quote }}
PAD{{- end }}`

// environment is the container's. GODEBUG lets Go speak with old Windows: key exchange by RSA, 3DES, signatures with
// SHA-1, and no large ClientHello.
const environment = `PAD- name: POD_NAMESPACE
PAD  valueFrom:
PAD    fieldRef:
PAD      fieldPath: metadata.namespace
PAD{{- if .Values.legacyTLS }}
PAD- name: GODEBUG
PAD  value: tlsrsakex=1,tls3des=1,tlssha1=1,tlsmlkem=0
PAD{{- end }}`

// dataVolume is the folder of output and packages.
const dataVolume = `PAD{{- if .Values.persistence.enabled }}
PADpersistentVolumeClaim:
PAD  claimName: {{ .Values.persistence.existingClaim | default (include "mantle.name" .) }}
PAD{{- else }}
PADemptyDir: {}
PAD{{- end }}`

// certificateMount and certificateVolume are the certificate of metrics and logs.
const (
	certificateMount = `ITEM{{- if .Values.metrics.tlsSecret }}
ITEM- mountPath: /etc/mantle/metrics
ITEM  name: metrics-certificate
ITEM  readOnly: true
ITEM{{- end }}`
	certificateVolume = `ITEM{{- with .Values.metrics.tlsSecret }}
ITEM- name: metrics-certificate
ITEM  secret:
ITEM    secretName: {{ . }}
ITEM{{- end }}`
)

// appendTo appends a mark to a list, in whose place a template writes an item, or nothing.
func appendTo(o object, list, mark string) {
	items, _ := o[list].([]any)
	o[list] = append(items, object{"item": mark})
}

// deployment converts the Deployment: what is in config are the chart's defaults, which values.yaml repeats for its
// reader and a test compares.
func deployment(objects []object) (string, error) {
	o, m := objects[0], &marks{}
	if err := scaffold(o, m); err != nil {
		return "", err
	}
	found := map[string]object{}
	for name, path := range map[string][]any{
		"spec":      {"spec"},
		"selector":  {"spec", "selector"},
		"metadata":  {"spec", "template", "metadata"},
		"pod":       {"spec", "template", "spec"},
		"container": {"spec", "template", "spec", "containers", 0},
		"data":      {"spec", "template", "spec", "volumes", 0},
	} {
		part, err := at(o, path...)
		if err != nil {
			return "", err
		}
		found[name] = part
	}
	found["spec"]["replicas"] = m.scalar(`{{ .Values.replicas }}`)
	found["spec"]["strategy"] = m.field(`PAD{{- if .Values.persistence.enabled }}
PADstrategy:
PAD  type: Recreate
PAD{{- end }}`)
	found["selector"]["matchLabels"] = m.value(selectorLabels)
	found["metadata"]["labels"] = m.value(selectorLabels)
	found["metadata"]["annotations"] = m.field(`PAD{{- with .Values.podAnnotations }}
PADannotations:
PAD  {{- toYaml . | nindent DEEP }}
PAD{{- end }}`)
	found["pod"]["serviceAccountName"] = m.scalar(accountExpression)
	for _, name := range []string{"imagePullSecrets", "nodeSelector", "tolerations", "affinity"} {
		found["pod"][name] = m.field(strings.ReplaceAll(optional, "NAME", name))
	}
	found["container"]["image"] = m.scalar(`{{ include "mantle.image" . }}`)
	found["container"]["imagePullPolicy"] = m.scalar(`{{ .Values.image.pullPolicy }}`)
	found["container"]["args"] = m.value(arguments)
	found["container"]["env"] = m.value(environment)
	found["container"]["resources"] = m.value(`PAD{{- toYaml .Values.resources | nindent WIDTH }}`)
	appendTo(found["container"], "volumeMounts", m.field(certificateMount))
	appendTo(found["pod"], "volumes", m.field(certificateVolume))
	delete(found["data"], "emptyDir")
	found["data"]["source"] = m.field(dataVolume)
	return m.text(o)
}
