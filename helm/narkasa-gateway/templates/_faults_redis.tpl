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
{{- else if and .sentinelPasswordSecret (not (contains "+sentinel:" .url)) }}
redis.{{ $name }}.sentinelPasswordSecret: the password goes into a url of Sentinels, which is not given.
{{- else if include "gateway.holdsPassword" .url }}
redis.{{ $name }}.url holds a password: name a Secret with it in passwordSecret or sentinelPasswordSecret, or one with the whole address in existingSecret.
{{- else if contains "$" .url }}
redis.{{ $name }}.url holds a $, which would stand for a variable.
{{- else if and (contains "+sentinel:" .url) (not (regexMatch "://[^/?#]+/[^/?#]+(/[0-9]*)?(\\?[^#]*)?$" .url)) }}
redis.{{ $name }}.url: say which master the Sentinels are asked for, and the number of a database: redis+sentinel://host:26379/service/0.
{{- else if and .url (not (contains "+sentinel:" .url)) (not (regexMatch "://[^/?#]+(/[0-9]*)?(\\?[^#]*)?$" .url)) }}
redis.{{ $name }}.url: after the host comes the number of a database alone: redis://host:6379/0.
{{- end }}
{{- end }}
{{- end }}
{{- if include "gateway.sameRedis" .Values.redis }}
redis: cache and state are the same database. What the cache may throw away, the state must keep: give each a server of its own, or at least another number.
{{- end }}
{{- end -}}

{{- /* Whether something of an address is more than a user: whatever has a colon before the last @ counts as
a password, even where an address would have ended before it, and so does an option that may name one. */ -}}
{{- define "gateway.holdsPassword" -}}
{{- if or (regexMatch "://.*(:|%3[aA]).*@" .) (regexMatch "(?i)[?&][^=&]*(password|%)[^=&]*=" .) (regexMatch "(?i)[?&]username=" .) -}}
yes
{{- end -}}
{{- end -}}

{{- define "gateway.sameRedis" -}}
{{- $cache := .cache -}}
{{- with .state -}}
{{- if and .url $cache.url -}}
{{- if eq (include "gateway.redisDatabase" .url) (include "gateway.redisDatabase" $cache.url) -}}
yes
{{- end -}}
{{- else if and .existingSecret (eq .existingSecret $cache.existingSecret) (eq .secretKey $cache.secretKey) -}}
yes
{{- end -}}
{{- end -}}
{{- end -}}
