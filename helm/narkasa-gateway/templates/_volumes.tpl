{{- /* What the gateway reads: the same names in the mounts and in the volumes. */ -}}
{{- define "gateway.volumeMounts" -}}
- name: policy
  mountPath: /etc/narkasa-gateway/policy
  readOnly: true
{{- if include "gateway.candidateConfigMap" . }}
- name: candidate
  mountPath: /etc/narkasa-gateway/candidate
  readOnly: true
{{- end }}
{{- if .Values.keysFile.existingSecret }}
- name: keys
  mountPath: /etc/narkasa-gateway/keys
  readOnly: true
{{- end }}
{{- if .Values.keyEncryptionKey.existingSecret }}
- name: key-encryption-keys
  mountPath: /etc/narkasa-gateway/key-encryption-keys
  readOnly: true
{{- end }}
{{- if or .Values.accounts .Values.keysVolume }}
- name: credentials
  mountPath: /etc/narkasa-gateway/credentials
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "gateway.volumes" -}}
- name: policy
  configMap:
    name: {{ include "gateway.policyConfigMap" . }}
{{- with include "gateway.candidateConfigMap" . }}
- name: candidate
  configMap:
    name: {{ . }}
{{- end }}
{{- with .Values.keysFile }}
{{- if .existingSecret }}
- name: keys
  {{- include "gateway.secretFile" (dict "secret" .existingSecret "key" .secretKey "path" "sealed.json") | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.keyEncryptionKey }}
{{- if .existingSecret }}
- name: key-encryption-keys
  {{- include "gateway.secretFile" (dict "secret" .existingSecret "key" .secretKey "path" "kek") | nindent 2 }}
{{- end }}
{{- end }}
{{- with .Values.keysVolume }}
- name: credentials
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.accounts }}
- name: credentials
  projected:
    defaultMode: 0440
    sources:
      {{- range $account := . }}
      {{- with $account.existingSecret }}
      {{- include "gateway.keyPair" (dict "secret" . "folder" $account.id) | nindent 6 }}
      {{- end }}
      {{- range $purpose := list "read" "trade" "withdraw" }}
      {{- with get $account $purpose }}
      {{- include "gateway.keyPair" (dict "secret" . "folder" (printf "%s/%s" $account.id $purpose)) | nindent 6 }}
      {{- end }}
      {{- end }}
      {{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "gateway.secretFile" -}}
secret:
  secretName: {{ .secret }}
  defaultMode: 0440
  items:
    - key: {{ .key }}
      path: {{ .path }}
{{- end -}}
