{{- define "gateway.faultsOfPods" -}}
{{- if not .Values.image.repository }}
image.repository: say where the image is pulled from, such as registry.example.com/narkasa-gateway.
{{- end }}
{{- range $name, $image := dict "image" .Values.image "redis.trial.image" .Values.redis.trial.image }}
{{- if eq $image.tag "latest" }}
{{ $name }}.tag: name a version; of latest nobody could tell what runs.
{{- end }}
{{- end }}
{{- with .Values }}
{{- if le (int .startWaitSeconds) (int .progressDeadlineSeconds) }}
startWaitSeconds: must be greater than progressDeadlineSeconds, or pods that reach neither Redis nor the exchange take the place of others before the release counts as failed.
{{- end }}
{{- if ge (int .minReadySeconds) (int .progressDeadlineSeconds) }}
minReadySeconds: must be less than progressDeadlineSeconds, or no release ever succeeds.
{{- end }}
{{- range $name := keys .podAnnotations | sortAlpha }}
{{- if hasPrefix "checksum/" $name }}
podAnnotations: {{ $name }} is the chart's own.
{{- end }}
{{- end }}
{{- range $name := keys .podLabels | sortAlpha }}
{{- if or (hasPrefix "app.kubernetes.io/" $name) (hasPrefix "helm.sh/" $name) }}
podLabels: {{ $name }} is the chart's own.
{{- end }}
{{- end }}
{{- range $name, $resources := dict "resources" .resources "redis.trial.resources" .redis.trial.resources }}
{{- range $kind, $most := $resources.limits | default dict }}
{{- $least := get ($resources.requests | default dict) $kind }}
{{- if and $most $least (lt (include "gateway.amount" $most | float64) (include "gateway.amount" $least | float64)) }}
{{ $name }}.limits.{{ $kind }}: is less than what is requested.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Kubernetes' quantity as a number. */ -}}
{{- define "gateway.amount" -}}
{{- if kindIs "string" . -}}
{{- $factors := dict "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf (regexFind "^[0-9.]+" . | float64) (get $factors (regexFind "[A-Za-z]*$" .) | default 1 | float64) -}}
{{- else -}}
{{- float64 . -}}
{{- end -}}
{{- end -}}

{{- define "gateway.faultsOfVolumes" -}}
{{- $seen := dict }}
{{- range .Values.extraEnv }}
{{- if hasPrefix "NGW_" .name }}
extraEnv: {{ .name }} belongs into settings.
{{- else if regexMatch "^(CACHE|STATE)_REDIS_(SENTINEL_)?PASSWORD$" .name }}
extraEnv: {{ .name }} is a variable of the chart's own.
{{- else if hasKey $seen .name }}
extraEnv: {{ .name }} stands there twice.
{{- end }}
{{- $_ := set $seen .name true }}
{{- end }}
{{- $volumes := list }}
{{- range .Values.extraVolumes }}
{{- if has .name (list "policy" "candidate" "keys" "key-encryption-keys" "credentials") }}
extraVolumes: {{ .name }} is a volume of the chart's own; give it another name.
{{- else if has .name $volumes }}
extraVolumes: {{ .name }} stands there twice.
{{- end }}
{{- $volumes = append $volumes .name }}
{{- end }}
{{- $places := list }}
{{- range .Values.extraVolumeMounts }}
{{- $place := clean .mountPath }}
{{- if not (has .name $volumes) }}
extraVolumeMounts: {{ .name }} is none of extraVolumes.
{{- end }}
{{- if regexMatch "^/(etc(/narkasa-gateway(/.*)?)?)?$" $place }}
extraVolumeMounts: {{ .mountPath }} would hide the policy and the keys.
{{- else if has $place $places }}
extraVolumeMounts: {{ .mountPath }} stands there twice.
{{- end }}
{{- $places = append $places $place }}
{{- end }}
{{- end -}}

{{- define "gateway.faultsOfScaling" -}}
{{- with .Values.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
autoscaling: minReplicas is greater than maxReplicas.
{{- end }}
{{- if not (or .cpuPercent .subscriptionsPerPod) }}
autoscaling: give cpuPercent or subscriptionsPerPod, or there is nothing to go by.
{{- end }}
{{- if and .cpuPercent (not (dig "requests" "cpu" "" ($.Values.resources | default dict))) }}
autoscaling.cpuPercent: is a share of resources.requests.cpu, which is not given.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
