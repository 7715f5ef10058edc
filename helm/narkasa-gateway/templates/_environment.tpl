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
NGW_SHUTDOWN_GRACE_S: {{ .Values.shutdownGraceSeconds }}
{{- with .Values.allowedOrigins }}
NGW_ALLOWED_ORIGINS: {{ join "," . | quote }}
{{- end }}
{{- end -}}

{{- define "gateway.redis" -}}
- name: {{ .name }}
  {{- if .redis.existingSecret }}
  valueFrom:
    secretKeyRef:
      name: {{ .redis.existingSecret }}
      key: {{ .redis.secretKey }}
  {{- else }}
  value: {{ .redis.url | quote }}
  {{- end }}
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
