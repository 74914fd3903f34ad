{{/*
What the operator configured, as JSON: config, or configFile after it has been parsed.
*/}}
{{- define "jitsi-verifier.given" -}}
{{- if and .Values.config .Values.configFile -}}
{{- fail "\n\nconfig and configFile are both set: set one of them\n" -}}
{{- end -}}
{{- $given := deepCopy .Values.config -}}
{{- if .Values.configFile -}}
{{- $given = fromToml .Values.configFile -}}
{{- with $given.Error -}}{{- fail (printf "\n\nconfigFile is not valid TOML: %s\n" .) -}}{{- end -}}
{{- end -}}
{{- toJson $given -}}
{{- end -}}

{{/*
Fail if a table has a secret, because every user who may read ConfigMaps could read it.
Arguments: the table, and its name for the message.
*/}}
{{- define "jitsi-verifier.refuseSecrets" -}}
{{- range $key, $file := dict "app_secret" "app-secret" "admin_token" "admin-token" "handoff_secret" "handoff-secret" -}}
{{- if hasKey $.table $key -}}
{{- fail (printf "\n\n%s%s is a secret and would be in a ConfigMap: put it into secrets.%s, or into a Secret that exists (existingSecret)\n" $.name $key $file) -}}
{{- end -}}
{{- end -}}
{{- if hasPrefix "redis" (get .table "revocation_store" | default "" | toString) -}}
{{- fail (printf "\n\n%srevocation_store has the password of the Redis and would be in a ConfigMap: put the URL into secrets.redis-url, or into a Secret that exists (existingSecret)\n" .name) -}}
{{- end -}}
{{- end -}}

{{/*
The configuration of the pods, as JSON: what the operator configured, and what a pod needs.
*/}}
{{- define "jitsi-verifier.configuration" -}}
{{- $given := include "jitsi-verifier.given" . | fromJson -}}
{{- $keys := include "jitsi-verifier.secretKeys" . | fromJsonArray -}}
{{- if and .Values.secrets .Values.existingSecret.name -}}
{{- fail "\n\nsecrets and existingSecret.name are both set: set one of them\n" -}}
{{- end -}}
{{- if not (hasKey $given "app_id") -}}
{{- fail "\n\nconfig.app_id is missing: set the application id that tokens are issued for, as in Jitsi (JWT_APP_ID)\n" -}}
{{- end -}}
{{- include "jitsi-verifier.refuseSecrets" (dict "table" $given "name" "config.") -}}
{{- range $host, $table := $given.hosts | default dict -}}
{{- include "jitsi-verifier.refuseSecrets" (dict "table" $table "name" (printf "config.hosts.%s." $host)) -}}
{{- end -}}
{{- range list "listen" "admin_listen" -}}
{{- if hasKey $given . -}}
{{- fail (printf "\n\nconfig.%s is set: remove it, because the chart's ports and probes need the addresses that the chart sets\n" .) -}}
{{- end -}}
{{- end -}}
{{- if not (or (has "admin-token" $keys) (hasKey $given "admin_token_file")) -}}
{{- fail "\n\nsecrets.admin-token is missing: other pods can reach the admin address. Set 32 random letters (openssl rand -hex 16), or name a Secret that exists (existingSecret)\n" -}}
{{- end -}}
{{- if not (or (has "app-secret" $keys) (hasKey $given "app_secret_file") (hasKey $given "cache_keys_url") (hasKey $given "asap_key_server") (hasKey $given "public_keys")) -}}
{{- fail "\n\nsecrets.app-secret is missing: set the secret that tokens are signed with, or where public keys come from: config.cache_keys_url, config.asap_key_server or config.public_keys\n" -}}
{{- end -}}
{{- $own := dict "listen" "0.0.0.0:8090" "admin_listen" "0.0.0.0:8091" "key_cache" "/var/lib/jitsi-verifier/keys.json" -}}
{{- $_ := set $own "trusted_proxies" (list "10.0.0.0/8" "172.16.0.0/12" "192.168.0.0/16") -}}
{{- range $file, $key := dict "app-secret" "app_secret_file" "admin-token" "admin_token_file" "handoff-secret" "handoff_secret_file" "redis-url" "revocation_store_file" -}}
{{- if has $file $keys -}}{{- $_ := set $own $key (printf "/etc/jitsi-verifier/secrets/%s" $file) -}}{{- end -}}
{{- end -}}
{{- toJson (merge $given $own) -}}
{{- end -}}

{{/*
A table as TOML: first its values, then its tables. Helm's toToml writes 30 as 30.0.
Arguments: the table, and its path.
*/}}
{{- define "jitsi-verifier.toml" -}}
{{- range $key, $value := .table -}}
{{- if not (kindIs "map" $value) }}
{{ include "jitsi-verifier.tomlKey" $key }} = {{ toRawJson $value }}
{{- end -}}
{{- end -}}
{{- range $key, $value := .table -}}
{{- if kindIs "map" $value -}}
{{- $path := printf "%s%s" $.path (include "jitsi-verifier.tomlKey" $key) }}

[{{ $path }}]
{{- include "jitsi-verifier.toml" (dict "table" $value "path" (printf "%s." $path)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "jitsi-verifier.tomlKey" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . -}}{{ . }}{{- else -}}{{ toRawJson . }}{{- end -}}
{{- end -}}

{{- define "jitsi-verifier.tomlFile" -}}
{{- include "jitsi-verifier.toml" (dict "table" (include "jitsi-verifier.configuration" . | fromJson) "path" "") | trim -}}
{{- end -}}
