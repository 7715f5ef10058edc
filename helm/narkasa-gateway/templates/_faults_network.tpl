{{- define "gateway.faultsOfNetwork" -}}
{{- with .Values.networkPolicy }}
{{- if .enabled }}
{{- if not (or .redis.to $.Values.redis.trial.enabled) }}
networkPolicy.redis.to: say where Redis is (a podSelector, a namespaceSelector or an ipBlock), or the gateway is cut off from it.
{{- end }}
{{- range $name := list "cache" "state" }}
{{- $redis := get $.Values.redis $name }}
{{- if and (not $.Values.networkPolicy.redis.ports) (or $redis.existingSecret (contains "+sentinel:" $redis.url)) }}
networkPolicy.redis.ports: redis.{{ $name }} does not tell the ports of its servers; name them, or the gateway is cut off from it.
{{- end }}
{{- end }}
{{- if not .exchange.to }}
networkPolicy.exchange.to: say where the exchange is, or the gateway is cut off from it.
{{- end }}
{{- if and $.Values.settings.NGW_OTLP_ENDPOINT (not .telemetry.to) }}
networkPolicy.telemetry.to: say where the collector of NGW_OTLP_ENDPOINT is, or no trace arrives.
{{- end }}
{{- end }}
{{- range concat .from .dns.to .exchange.to .redis.to .identityProvider.to .telemetry.to }}
{{- if and .ipBlock (gt (len .) 1) }}
networkPolicy: a peer has ipBlock {{ .ipBlock.cidr }} and a selector; make two peers of it.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "gateway.faultsOfEntrances" -}}
{{- range .Values.exposedPaths }}
{{- if regexMatch "^/((metrics|healthz|startupz|readyz)(/|$)|$)" (clean .) }}
exposedPaths: {{ . }} leads to what asks for no token.
{{- end }}
{{- end }}
{{- with .Values.ingress }}
{{- if and .enabled (not .host) }}
ingress.host: say under which name the gateway is reached.
{{- end }}
{{- if and .enabled (not .tlsSecret) (not .insecure) }}
ingress.tlsSecret: name the Secret of the certificate, for tokens travel here; or say by ingress.insecure that TLS ends elsewhere.
{{- else if and .tlsSecret .insecure }}
ingress: give either tlsSecret or insecure, not both.
{{- end }}
{{- end }}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) }}
httpRoute.parentRefs: say which Gateway the route belongs to.
{{- end }}
{{- end -}}
