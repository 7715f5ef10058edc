{{- /* Every contradiction in the values, one sentence each, all at once. */ -}}
{{- define "gateway.faults" -}}
{{- $faults := list -}}
{{- range list "Pods" "Volumes" "Keys" "Policy" "Redis" "Settings" "Network" "Entrances" "Scaling" -}}
{{- with include (printf "gateway.faultsOf%s" .) $ | trim -}}
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
{{- if and .Values.externalSecrets.store.name (not .Values.externalSecrets.secrets) }}
externalSecrets.store.name: names a store of which no secret is read.
{{- end }}
{{- $names := list }}
{{- range .Values.externalSecrets.secrets }}
{{- if has .name $names }}
externalSecrets: {{ .name }} stands there twice.
{{- end }}
{{- $names = append $names .name }}
{{- $made := . }}
{{- range list $.Values.keysFile $.Values.keyEncryptionKey $.Values.redis.cache $.Values.redis.state }}
{{- if and (eq .existingSecret $made.name) (not (hasKey $made.entries .secretKey)) }}
externalSecrets: {{ $made.name }} lacks the entry {{ .secretKey }}, which the pods wait for.
{{- end }}
{{- end }}
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
{{- else if and .Values.policy.existingConfigMap (eq .Values.policy.existingConfigMap .Values.policy.candidate.existingConfigMap) }}
policy.candidate: is the policy in force; there is nothing to try out.
{{- end }}
{{- with .Values.policy.document.accounts }}
{{- range $.Values.accounts }}
{{- if not (has .id $.Values.policy.document.accounts) }}
accounts: {{ .id }} is no account of policy.document.
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
{{- if contains "@" (get .Values.settings "NGW_OTLP_ENDPOINT" | default "") }}
settings: NGW_OTLP_ENDPOINT takes no user and no password.
{{- end }}
{{- if hasSuffix "/v3/api" (trimSuffix "/" .Values.exchange.restUrl) }}
exchange.restUrl: leave /v3/api away; the gateway adds it.
{{- end }}
{{- end -}}
