{{- /* Every contradiction in the values, one sentence each, all at once. */ -}}
{{- define "gateway.faults" -}}
{{- $faults := list -}}
{{- if not .Values.accounts -}}
{{- $faults = append $faults "accounts: name at least one exchange account and the existing Secret with its api-key and api-secret." -}}
{{- end -}}
{{- $ids := list -}}
{{- range .Values.accounts -}}
{{- if has .id $ids -}}
{{- $faults = append $faults (printf "accounts: %s stands there twice." .id) -}}
{{- end -}}
{{- $ids = append $ids .id -}}
{{- end -}}
{{- if and .Values.policy.existingConfigMap .Values.policy.document -}}
{{- $faults = append $faults "policy: give either existingConfigMap or document, not both." -}}
{{- else if not (or .Values.policy.existingConfigMap .Values.policy.document) -}}
{{- $faults = append $faults "policy: give existingConfigMap (with the entry policy.yaml) or document; without a policy nobody may do anything." -}}
{{- end -}}
{{- range $name, $redis := .Values.redis -}}
{{- if and $redis.url $redis.existingSecret -}}
{{- $faults = append $faults (printf "redis.%s: give either url or existingSecret, not both." $name) -}}
{{- else if not (or $redis.url $redis.existingSecret) -}}
{{- $faults = append $faults (printf "redis.%s: give url, or existingSecret if the address has a password." $name) -}}
{{- else if contains "@" $redis.url -}}
{{- $faults = append $faults (printf "redis.%s.url holds a password: put the address in a Secret and name it in existingSecret." $name) -}}
{{- end -}}
{{- end -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add .Values.preStopSeconds .Values.shutdownGraceSeconds 5 | int) -}}
{{- $faults = append $faults "terminationGracePeriodSeconds must be longer than preStopSeconds and shutdownGraceSeconds together by at least 5, or what is under way is killed." -}}
{{- end -}}
{{- $decided := merge (dict "NGW_ALLOWED_ORIGINS" "" "NGW_CACHE_REDIS_URL" "" "NGW_STATE_REDIS_URL" "") (include "gateway.environment" . | fromYaml) -}}
{{- range $name, $value := .Values.settings -}}
{{- if eq $name "NGW_CREDENTIALS" -}}
{{- $faults = append $faults "settings: NGW_CREDENTIALS is a secret and has no place in values; use accounts." -}}
{{- else if hasKey $decided $name -}}
{{- $faults = append $faults (printf "settings: %s is set by a value of its own in this chart." $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.networkPolicy.egress) -}}
{{- $faults = append $faults "networkPolicy.egress: say where Redis and the exchange are, or the gateway is cut off from both." -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n\n%s\n" (join "\n" $faults)) -}}
{{- end -}}
{{- end -}}
