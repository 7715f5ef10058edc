{{- /* Every contradiction in the values, one sentence each, all at once. */ -}}
{{- define "gateway.faults" -}}
{{- $faults := list -}}
{{- range list "gateway.faultsOfKeys" "gateway.faultsOfPolicy" "gateway.faultsOfRedis" "gateway.faultsOfSettings" "gateway.faultsOfNetwork" "gateway.faultsOfScaling" -}}
{{- with include . $ | trim -}}
{{- $faults = append $faults . -}}
{{- end -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n\n%s\n" (join "\n" $faults)) -}}
{{- end -}}
{{- end -}}

{{- define "gateway.faultsOfKeys" -}}
{{- if not (or .Values.keysFile.existingSecret .Values.accounts .Values.keysVolume) }}
keys: name the exchange's keys: in keysFile and keyEncryptionKey the existing Secrets of the sealed file and of the keys that open it, or in accounts a Secret for each account and purpose, or a keysVolume. To have the Secrets made, see externalSecrets.
{{- end }}
{{- if and .Values.keysFile.existingSecret (not .Values.keyEncryptionKey.existingSecret) }}
keyEncryptionKey.existingSecret: keysFile is sealed; name the Secret with the keys that open it.
{{- else if and .Values.keysFile.existingSecret (eq .Values.keysFile.existingSecret .Values.keyEncryptionKey.existingSecret) }}
keysFile: put the sealed file and the keys that open it into different Secrets, or whoever reads one has both.
{{- end }}
{{- if and .Values.accounts .Values.keysVolume }}
keysVolume: give either this volume or accounts, not both.
{{- end }}
{{- $ids := list }}
{{- range .Values.accounts }}
{{- if has .id $ids }}
accounts: {{ .id }} stands there twice.
{{- end }}
{{- $ids = append $ids .id }}
{{- if and .existingSecret (or .read .trade) }}
accounts: {{ .id }} has existingSecret, which is for reading and trading, and a Secret for one of these besides.
{{- else if not (or .existingSecret .read .trade .withdraw) }}
accounts: {{ .id }} needs a Secret for read, trade or withdraw, or existingSecret for reading and trading.
{{- end }}
{{- end }}
{{- if and .Values.externalSecrets.secrets (not .Values.externalSecrets.store.name) }}
externalSecrets.store.name: say which store the operator reads.
{{- end }}
{{- $names := list }}
{{- range .Values.externalSecrets.secrets }}
{{- if has .name $names }}
externalSecrets: {{ .name }} stands there twice.
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end -}}

{{- define "gateway.faultsOfPolicy" -}}
{{- if and .Values.policy.existingConfigMap .Values.policy.document }}
policy: give either existingConfigMap or document, not both.
{{- else if not (or .Values.policy.existingConfigMap .Values.policy.document) }}
policy: give existingConfigMap (with the entry policy.yaml) or document; without a policy nobody may do anything.
{{- end }}
{{- if and .Values.policy.candidate.existingConfigMap .Values.policy.candidate.document }}
policy.candidate: give either existingConfigMap or document, not both.
{{- end }}
{{- end -}}

{{- define "gateway.faultsOfRedis" -}}
{{- $trial := .Values.redis.trial.enabled }}
{{- range $name := list "cache" "state" }}
{{- with get $.Values.redis $name }}
{{- if and .url .existingSecret }}
redis.{{ $name }}: give either url or existingSecret, not both.
{{- else if and $trial (or .url .existingSecret) }}
redis.{{ $name }}: redis.trial takes its place; give either.
{{- else if not (or $trial .url .existingSecret) }}
redis.{{ $name }}: give url, or existingSecret if the address has a password (or redis.trial.enabled, for trials).
{{- else if and .passwordSecret (not .url) }}
redis.{{ $name }}.passwordSecret: the password goes into url, which is not given.
{{- else if or (regexMatch "://[^/?]*:[^/?]*@" .url) (regexMatch "[?&](password|username)=" .url) }}
redis.{{ $name }}.url holds a password: name a Secret with it in passwordSecret, or one with the whole address in existingSecret.
{{- else if and .passwordSecret (contains "$" .url) }}
redis.{{ $name }}.url holds a $, which would stand for a variable.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "gateway.faultsOfSettings" -}}
{{- $decided := include "gateway.environment" . | fromYaml | keys }}
{{- $decided = concat $decided (include "gateway.decidedElsewhere" . | splitList " ") }}
{{- range $name, $value := .Values.settings }}
{{- if has $name (list "NGW_CREDENTIALS" "NGW_KEY_ENCRYPTION_KEY") }}
settings: {{ $name }} is a secret and has no place in values; use keysFile, keyEncryptionKey or accounts.
{{- else if has $name $decided }}
settings: {{ $name }} is set by a value of its own in this chart.
{{- end }}
{{- end }}
{{- end -}}

{{- define "gateway.faultsOfNetwork" -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.redis.to) (not .Values.redis.trial.enabled) }}
networkPolicy.redis.to: say where Redis is (a podSelector, a namespaceSelector or an ipBlock), or the gateway is cut off from it.
{{- end }}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.exchange.to) }}
networkPolicy.exchange.to: say where the exchange is, or the gateway is cut off from it.
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
ingress.host: say under which name the gateway is reached.
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
httpRoute.parentRefs: say which Gateway the route belongs to.
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
