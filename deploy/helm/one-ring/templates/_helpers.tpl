{{/* Release "one-ring" names its objects one-ring-operator, …; release "x" x-one-ring-operator, … */}}
{{- define "one-ring.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* (list $ "operator") */}}
{{- define "one-ring.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "one-ring.labels" -}}
{{- $root := index . 0 -}}
{{ include "one-ring.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* (list $ "api-gateway") */}}
{{- define "one-ring.image" -}}
{{- $root := index . 0 -}}
{{- $image := $root.Values.image -}}
{{- $digest := get $image.digests (index . 1) -}}
{{ $image.registry }}/{{ $image.repository }}/{{ index . 1 }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ with $digest }}@{{ . }}{{ end }}
{{- end -}}

{{/* What the restricted Pod Security Standard asks of a pod, and of a container. */}}
{{- define "one-ring.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "one-ring.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* (list $ 8080): pod annotations by which Prometheus finds /metrics */}}
{{- define "one-ring.scrapeAnnotations" -}}
{{- if (index . 0).Values.metrics.annotations -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ index . 1 | quote }}
prometheus.io/path: /metrics
{{- end -}}
{{- end -}}

{{- define "one-ring.operatorAddress" -}}
{{ include "one-ring.fullname" . }}-operator.{{ .Release.Namespace }}.svc
{{- end -}}

{{/* Namespaces that the chart may put things for trainer pods into, as a YAML list. */}}
{{- define "one-ring.jobNamespaces" -}}
{{- .Values.operator.watchNamespaces | default (list .Release.Namespace) | toYaml -}}
{{- end -}}

{{/* The operator's settings file. What is empty is left out. */}}
{{- define "one-ring.operatorSettings" -}}
trainerImage: {{ include "one-ring.image" (list $ "trainer") | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
imagePullSecrets: {{ toJson .Values.image.pullSecrets }}
progressUrl: https://{{ include "one-ring.operatorAddress" . }}:8443
caFile: /etc/one-ring/tls/ca.crt
tlsCertFile: /etc/one-ring/tls/tls.crt
tlsKeyFile: /etc/one-ring/tls/tls.key
namespaces: {{ toJson .Values.operator.watchNamespaces }}
resyncSeconds: {{ .Values.operator.resyncSeconds }}
{{- with .Values.trainer }}
gracePeriodSeconds: {{ .gracePeriodSeconds }}
runAsUser: {{ int64 .runAsUser }}
runAsGroup: {{ int64 .runAsGroup }}
fsGroup: {{ int64 .fsGroup }}
defaults:
  resources:
    gpus: {{ .resources.gpus }}
    gpuResource: {{ .resources.gpuResource }}
    {{- with .resources.cpu }}
    cpu: {{ quote . }}
    {{- end }}
    {{- with .resources.memory }}
    memory: {{ quote . }}
    {{- end }}
{{- end }}
  storage:
    {{- range $kind, $claim := .Values.storage }}
    {{ $kind }}: {claimName: {{ $claim.claimName | quote }}}
    {{- end }}
{{- end -}}

{{/* The progress receiver's CA and certificate, base64: those of the last release, or new ones. */}}
{{- define "one-ring.tls" -}}
{{- $address := include "one-ring.operatorAddress" . -}}
{{- $kept := (lookup "v1" "Secret" .Release.Namespace (printf "%s-operator-tls" (include "one-ring.fullname" .))).data | default dict -}}
{{- if and (get $kept "ca.crt") (get $kept "tls.crt") (get $kept "tls.key") -}}
{{ pick $kept "ca.crt" "tls.crt" "tls.key" | toYaml }}
{{- else -}}
{{- $days := int .Values.operator.tls.validityDays -}}
{{- $ca := genCA "one-ring-progress" $days -}}
{{- $pair := genSignedCert "one-ring-operator" nil (list $address (printf "%s.cluster.local" $address)) $days $ca -}}
ca.crt: {{ b64enc $ca.Cert }}
tls.crt: {{ b64enc $pair.Cert }}
tls.key: {{ b64enc $pair.Key }}
{{- end -}}
{{- end -}}

{{- define "one-ring.operatorRules" -}}
- {apiGroups: [training.one-ring.io], resources: [trainingjobs], verbs: [get, list, watch]}
- {apiGroups: [training.one-ring.io], resources: [trainingjobs/status], verbs: [patch]}
# Asked for where ownerReferences with blockOwnerDeletion are guarded, as on OpenShift.
- {apiGroups: [training.one-ring.io], resources: [trainingjobs/finalizers], verbs: [update]}
- {apiGroups: [batch], resources: [jobs], verbs: [get, list, watch, create, delete]}
- {apiGroups: [""], resources: [pods], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [events], verbs: [create]}
{{- end -}}
