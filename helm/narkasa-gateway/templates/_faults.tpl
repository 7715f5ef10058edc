{{- /* Every contradiction in the values, one sentence each, all at once. */ -}}
{{- define "gateway.faults" -}}
{{- $faults := list -}}
{{- if not (or .Values.keysFile.existingSecret .Values.accounts .Values.keysVolume) -}}
{{- $faults = append $faults "keys: name the exchange's keys: in keysFile the existing Secrets of the sealed file and of its key-encryption keys, or in accounts one for each account and purpose." -}}
{{- end -}}
{{- with .Values.keysFile -}}
{{- if ne (empty .existingSecret) (empty .encryptionKeySecret) -}}
{{- $faults = append $faults "keysFile: existingSecret (the sealed file) and encryptionKeySecret (the keys that open it) go together." -}}
{{- else if and .existingSecret (eq .existingSecret .encryptionKeySecret) -}}
{{- $faults = append $faults "keysFile: put the sealed file and the keys that open it into different Secrets, or whoever reads one has both." -}}
{{- end -}}
{{- end -}}
{{- if and .Values.accounts .Values.keysVolume -}}
{{- $faults = append $faults "keysVolume: give either this volume or accounts, not both." -}}
{{- end -}}
{{- $ids := list -}}
{{- range .Values.accounts -}}
{{- if has .id $ids -}}
{{- $faults = append $faults (printf "accounts: %s stands there twice." .id) -}}
{{- end -}}
{{- $ids = append $ids .id -}}
{{- if and .existingSecret (or .read .trade) -}}
{{- $faults = append $faults (printf "accounts: %s has existingSecret, which is for reading and trading, and a Secret for one of these besides." .id) -}}
{{- else if not (or .existingSecret .read .trade .withdraw) -}}
{{- $faults = append $faults (printf "accounts: %s needs a Secret for read, trade or withdraw, or existingSecret for reading and trading." .id) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.policy.existingConfigMap .Values.policy.document -}}
{{- $faults = append $faults "policy: give either existingConfigMap or document, not both." -}}
{{- else if not (or .Values.policy.existingConfigMap .Values.policy.document) -}}
{{- $faults = append $faults "policy: give existingConfigMap (with the entry policy.yaml) or document; without a policy nobody may do anything." -}}
{{- end -}}
{{- if and .Values.policy.candidate.existingConfigMap .Values.policy.candidate.document -}}
{{- $faults = append $faults "policy.candidate: give either existingConfigMap or document, not both." -}}
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
{{- $decided := include "gateway.environment" . | fromYaml -}}
{{- range list "ALLOWED_ORIGINS" "CACHE_REDIS_URL" "STATE_REDIS_URL" "CREDENTIALS_DIR" "KEYS_FILE" "KEY_ENCRYPTION_KEY_FILE" "POLICY_CANDIDATE_FILE" -}}
{{- $_ := set $decided (printf "NGW_%s" .) "" -}}
{{- end -}}
{{- range $name, $value := .Values.settings -}}
{{- if has $name (list "NGW_CREDENTIALS" "NGW_KEY_ENCRYPTION_KEY") -}}
{{- $faults = append $faults (printf "settings: %s is a secret and has no place in values; use keysFile or accounts." $name) -}}
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
