{{- /* The settings that the chart decides, by name. */ -}}
{{- define "gateway.environment" -}}
NGW_HOST: 0.0.0.0
NGW_PORT: 8000
NGW_POLICY_FILE: /etc/narkasa-gateway/policy/policy.yaml
{{- if include "gateway.candidateConfigMap" . }}
NGW_POLICY_CANDIDATE_FILE: /etc/narkasa-gateway/candidate/policy.yaml
{{- end }}
{{- if .Values.keysFile.existingSecret }}
NGW_KEYS_FILE: /etc/narkasa-gateway/keys/sealed.json
{{- end }}
{{- if .Values.keyEncryptionKey.existingSecret }}
NGW_KEY_ENCRYPTION_KEY_FILE: /etc/narkasa-gateway/key-encryption-keys/kek
{{- end }}
{{- if or .Values.accounts .Values.keysVolume }}
NGW_CREDENTIALS_DIR: /etc/narkasa-gateway/credentials
{{- end }}
NGW_AUDIT_FILE: "-"
NGW_JOURNAL_EXPORT_FILE: "-"
NGW_EXCHANGE_REST_URL: {{ .Values.exchange.restUrl }}
NGW_EXCHANGE_WS_URL: {{ .Values.exchange.wsUrl }}
NGW_LOG_LEVEL: {{ .Values.logLevel }}
NGW_START_WAIT_S: {{ .Values.startWaitSeconds }}
NGW_SHUTDOWN_GRACE_S: {{ .Values.shutdownGraceSeconds }}
{{- with .Values.allowedOrigins }}
NGW_ALLOWED_ORIGINS: {{ join "," . | quote }}
{{- end }}
{{- end -}}

{{- /* What else has a value of its own, and so no place in `settings`. */ -}}
{{- define "gateway.decidedElsewhere" -}}
NGW_ALLOWED_ORIGINS NGW_CACHE_REDIS_URL NGW_STATE_REDIS_URL NGW_CREDENTIALS_DIR NGW_KEYS_FILE NGW_KEY_ENCRYPTION_KEY_FILE NGW_POLICY_CANDIDATE_FILE
{{- end -}}

{{- /* The variables of one Redis: `purpose` is cache or state. A password comes before the address that
names it, for only then the kubelet puts it in. */ -}}
{{- define "gateway.redis" -}}
{{- $redis := get .root.Values.redis .purpose -}}
{{- $setting := printf "NGW_%s_REDIS_URL" (upper .purpose) -}}
{{- if .root.Values.redis.trial.enabled -}}
- name: {{ $setting }}
  value: {{ printf "redis://%s-redis:6379/%s" (include "gateway.name" .root) (ternary "0" "1" (eq .purpose "cache")) }}
{{- else if $redis.existingSecret -}}
{{- include "gateway.secretVariable" (dict "name" $setting "secret" $redis.existingSecret "key" $redis.secretKey) }}
{{- else -}}
{{- $url := $redis.url -}}
{{- with $redis.passwordSecret -}}
{{- $password := printf "%s_REDIS_PASSWORD" (upper $.purpose) -}}
{{- $url = regexReplaceAll "^([a-z+]+://)(?:([^@/]*)@)?" $url (printf "${1}${2}:$$(%s)@" $password) -}}
{{- include "gateway.secretVariable" (dict "name" $password "secret" . "key" $redis.passwordSecretKey) }}
{{ end -}}
{{- with $redis.sentinelPasswordSecret -}}
{{- $password := printf "%s_REDIS_SENTINEL_PASSWORD" (upper $.purpose) -}}
{{- $url = printf "%s%ssentinel_password=$(%s)" $url (ternary "&" "?" (contains "?" $url)) $password -}}
{{- include "gateway.secretVariable" (dict "name" $password "secret" . "key" $redis.sentinelPasswordSecretKey) }}
{{ end -}}
- name: {{ $setting }}
  value: {{ $url | quote }}
{{- end -}}
{{- end -}}

{{- define "gateway.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end -}}

{{- /* One source of the projected folder of keys. */ -}}
{{- define "gateway.keyPair" -}}
- secret:
    name: {{ .secret }}
    items:
      - key: api-key
        path: {{ .folder }}/api-key
      - key: api-secret
        path: {{ .folder }}/api-secret
{{- end -}}
