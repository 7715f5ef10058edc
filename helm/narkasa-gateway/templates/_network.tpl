{{- /* The port of an address, written or by its scheme. */ -}}
{{- define "gateway.portOf" -}}
{{- $address := urlParse . -}}
{{- regexFind ":[0-9]+$" $address.host | trimPrefix ":" | default (ternary "443" "80" (has $address.scheme (list "https" "wss"))) -}}
{{- end -}}

{{- /* Host and port of each server in an address of Redis, as JSON. */ -}}
{{- define "gateway.redisServers" -}}
{{- $authority := regexFind "^[^/?]*" (regexReplaceAll "^[a-z+]+://" . "") -}}
{{- $port := ternary "26379" "6379" (contains "+sentinel:" .) -}}
{{- $servers := list -}}
{{- range splitList "," (regexReplaceAll "^.*@" $authority "") -}}
{{- $servers = append $servers (ternary . (printf "%s:%s" . $port) (regexMatch ":[0-9]+$" .)) -}}
{{- end -}}
{{- toJson $servers -}}
{{- end -}}

{{- /* The ports of both addresses of Redis and those named besides, as JSON. */ -}}
{{- define "gateway.redisPorts" -}}
{{- $ports := list -}}
{{- range list .Values.redis.cache.url .Values.redis.state.url -}}
{{- if . -}}
{{- range include "gateway.redisServers" . | fromJsonArray -}}
{{- $ports = append $ports (regexFind "[0-9]+$" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.networkPolicy.redis.ports -}}
{{- $ports = append $ports (toString .) -}}
{{- end -}}
{{- uniq $ports | toJson -}}
{{- end -}}

{{- /* Servers and database of an address of Redis: what two addresses of the same have in common. */ -}}
{{- define "gateway.redisDatabase" -}}
{{- $servers := include "gateway.redisServers" . | fromJsonArray | sortAlpha | join "," | lower -}}
{{- $path := regexReplaceAll "^[a-z+]+://[^/?]*" . "" -}}
{{- $named := regexReplaceAll "\\?.*$" $path "" | trimAll "/" -}}
{{- $option := regexFind "[?&]db=[0-9]+" $path | trimPrefix "?" | trimPrefix "&" -}}
{{- if contains "+sentinel:" . -}}
{{- $named = ternary $named (printf "%s/0" $named) (contains "/" $named) -}}
{{- end -}}
{{- printf "%s/%s" $servers ($option | default $named | default "0" | trimPrefix "db=") -}}
{{- end -}}
