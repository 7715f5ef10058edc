{{- /* The port of an address, written or by its scheme. */ -}}
{{- define "gateway.portOf" -}}
{{- $address := urlParse . -}}
{{- regexFind ":[0-9]+$" $address.host | trimPrefix ":" | default (ternary "443" "80" (has $address.scheme (list "https" "wss"))) -}}
{{- end -}}
