{{- /*
What docker-jitsi-meet's Prosody container makes of the variables of an .env, as far as tokens, rooms
and moderators are concerned. Written for these tests. Variables that are missing, or empty, have the
defaults of August 2026. DOCKER_JITSI_MEET names a checkout of docker-jitsi-meet whose own template
the tests use instead.
*/ -}}
{{- /* The items between commas, without the empty ones. If none is left, one empty item. */ -}}
{{- define "items" }}{{ range splitList "," . | compact }}"{{ . }}"; {{ else }}""; {{ end }}{{ end -}}
{{- define "statements" }}{{ range splitList "," . | compact }}{{ . }}
{{ end }}{{ end -}}
{{- $domain := .Env.XMPP_DOMAIN | default "meet.jitsi" -}}
{{- $rooms := .Env.XMPP_MUC_DOMAIN | default "muc.meet.jitsi" -}}
{{- $services := .Env.XMPP_AUTH_DOMAIN | default "auth.meet.jitsi" -}}
{{- $recorders := .Env.XMPP_HIDDEN_DOMAIN | default "hidden.meet.jitsi" -}}
{{- $bridge := .Env.JVB_AUTH_USER | default "jvb" -}}
{{- $recorder := .Env.JIBRI_RECORDER_USER | default "recorder" -}}
{{- $transcriber := .Env.JIGASI_TRANSCRIBER_USER | default "transcriber" -}}
{{- $authType := .Env.AUTH_TYPE | default "internal" -}}
{{- $type := .Env.PROSODY_AUTH_TYPE | default $authType -}}
{{- $accounts := .Env.ENABLE_AUTH | default "0" | toBool -}}
{{- $jwt := and $accounts (eq $type "jwt") -}}
{{- $matrix := and $accounts (eq $type "hybrid_matrix_token") -}}
{{- $hasSecret := .Env.JWT_APP_SECRET | default "false" | toBool -}}
{{- $empty := .Env.JWT_ALLOW_EMPTY | default "0" | toBool -}}
{{- $verifiesDomain := .Env.JWT_ENABLE_DOMAIN_VERIFICATION | default "false" | toBool -}}
{{- $lobby := .Env.ENABLE_LOBBY | default "true" | toBool -}}
{{- $breakout := .Env.ENABLE_BREAKOUT_ROOMS | default "true" | toBool -}}
{{- $websocket := .Env.ENABLE_XMPP_WEBSOCKET | default "1" | toBool -}}
{{- $records := .Env.ENABLE_RECORDING | default "0" | toBool -}}
{{- $transcribes := .Env.ENABLE_TRANSCRIPTIONS | default "0" | toBool -}}
{{- $validatesNicks := .Env.PROSODY_ENABLE_MUC_RESOURCE_VALIDATE | default "true" | toBool -}}
admins = { "focus@{{ $services }}"; "{{ $bridge }}@{{ $services }}" }
plugin_paths = { "/prosody-plugins-custom"; "/prosody-plugins/"; "/prosody-plugins-contrib" }
muc_mapper_domain_base = "{{ $domain }}"
muc_mapper_domain_prefix = "{{ (split "." $rooms)._0 }}"
recorder_prefixes = { "{{ $recorder }}@{{ $recorders }}" }
transcriber_prefixes = { "{{ $transcriber }}@{{ $recorders }}" }
http_default_host = "{{ $domain }}"
consider_bosh_secure = true
consider_websocket_secure = true
storage = "memory"
{{ if or $jwt $matrix }}
{{ with .Env.JWT_ACCEPTED_ISSUERS }}asap_accepted_issuers = { {{ template "items" . }} }{{ end }}
{{ with .Env.JWT_ACCEPTED_AUDIENCES }}asap_accepted_audiences = { {{ template "items" . }} }{{ end }}
{{ with .Env.JWT_ACCEPTED_ALLOWNER_ISSUERS }}allowner_issuers = { {{ template "items" . }} }{{ end }}
{{ end }}

{{ if .Env.ENABLE_JAAS_COMPONENTS | default "0" | toBool }}
-- Telephone gateways of Jitsi's own service, with tokens that Jitsi signs.
{{ $page := .Env.PUBLIC_URL | default "https://localhost:8443" | trimPrefix "https://" | trimSuffix "/" }}
VirtualHost "jigasi.meet.jitsi"
modules_enabled = { "bosh"; "muc_password_check" }
authentication = "token"
app_id = "jitsi"
asap_key_server = "https://jaas-public-keys.jitsi.net/jitsi-components/prod-8x8"
asap_accepted_issuers = { "jaas-components" }
asap_accepted_audiences = { "jigasi.{{ $page }}" }
{{ end }}

-- The host of the participants.
VirtualHost "{{ $domain }}"
{{ if not $accounts }}
authentication = "jitsi-anonymous"
{{ else if or $jwt $matrix }}
app_id = "{{ .Env.JWT_APP_ID }}"
{{ if $hasSecret }}app_secret = "{{ .Env.JWT_APP_SECRET }}"{{ end }}
allow_empty_token = {{ $empty }}
enable_domain_verification = {{ $verifiesDomain }}
{{ if $jwt }}
authentication = "{{ .Env.JWT_AUTH_TYPE | default "token" }}"
{{ with .Env.JWT_SIGN_TYPE }}signature_algorithm = "{{ . }}"{{ end }}
{{ with .Env.JWT_ASAP_KEYSERVER }}asap_key_server = "{{ . }}"{{ end }}
{{ else }}
authentication = "hybrid_matrix_token"
uvs_base_url = "{{ .Env.MATRIX_UVS_URL }}"
{{ with .Env.MATRIX_UVS_ISSUER }}uvs_issuer = "{{ . }}"{{ end }}
{{ end }}
{{ else if eq $type "ldap" }}
authentication = "cyrus"
{{ else if eq $type "matrix" }}
authentication = "matrix_user_verification"
app_id = "{{ .Env.MATRIX_UVS_ISSUER | default "issuer" }}"
uvs_base_url = "{{ .Env.MATRIX_UVS_URL }}"
{{ else if eq $type "internal" }}
authentication = "internal_hashed"
{{ end }}
modules_enabled = {
    "bosh";
    {{ if $websocket }}"websocket"; "smacks";{{ end }}
    {{ if $lobby }}"muc_lobby_rooms";{{ end }}
    {{ if $breakout }}"muc_breakout_rooms";{{ end }}
    {{ with .Env.XMPP_MODULES }}{{ template "items" . }}{{ end }}
}
main_muc = "{{ $rooms }}"
{{ if $lobby }}lobby_muc = "lobby.{{ $domain }}"{{ end }}
{{ if $breakout }}breakout_rooms_muc = "breakout.{{ $domain }}"{{ end }}
c2s_require_encryption = {{ .Env.PROSODY_C2S_REQUIRE_ENCRYPTION | default "1" | toBool }}
{{ with .Env.XMPP_CONFIGURATION }}{{ template "statements" . }}{{ end }}

{{ if and $accounts (.Env.ENABLE_GUESTS | default "0" | toBool) }}
VirtualHost "{{ .Env.XMPP_GUEST_DOMAIN | default "guest.meet.jitsi" }}"
authentication = "{{ .Env.PROSODY_GUEST_AUTH_TYPE | default "jitsi-anonymous" }}"
main_muc = "{{ $rooms }}"
{{ if $lobby }}lobby_muc = "lobby.{{ $domain }}"{{ end }}
{{ with .Env.XMPP_CONFIGURATION }}{{ template "statements" . }}{{ end }}
{{ end }}

-- The bridge, Jicofo and other programs.
VirtualHost "{{ $services }}"
modules_enabled = { "limits_exception"; "smacks" }
authentication = "internal_hashed"

{{ if or $records $transcribes }}
VirtualHost "{{ $recorders }}"
authentication = "internal_hashed"
{{ end }}

Component "{{ .Env.XMPP_INTERNAL_MUC_DOMAIN | default "internal-muc.meet.jitsi" }}" "muc"
modules_enabled = {
    {{ with .Env.XMPP_INTERNAL_MUC_MODULES }}{{ template "items" . }}{{ end }}
}
restrict_room_creation = true

-- The rooms.
Component "{{ $rooms }}" "muc"
modules_enabled = {
    {{ if or $jwt $matrix }}
    "{{ .Env.JWT_TOKEN_AUTH_MODULE | default "token_verification" }}";
    {{ end }}
    {{ if $validatesNicks }}"muc_resource_validate";{{ end }}
    {{ with .Env.XMPP_MUC_MODULES }}{{ template "items" . }}{{ end }}
}
{{ if $validatesNicks }}
anonymous_strict = {{ .Env.PROSODY_MUC_RESOURCE_VALIDATE_ANONYMOUS_STRICT | default "false" | toBool }}
{{ with .Env.PROSODY_MUC_RESOURCE_VALIDATE_ANON_METHODS }}anonymous_auth_methods = { {{ template "items" . }} }{{ end }}
{{ end }}
{{ if .Env.WAIT_FOR_HOST_DISABLE_AUTO_OWNERS | default "false" | toBool }}wait_for_host_disable_auto_owners = true{{ end }}
restrict_room_creation = true
muc_room_locking = false
muc_room_default_public_jids = true
{{ with .Env.XMPP_MUC_CONFIGURATION }}{{ template "statements" . }}{{ end }}
{{ with .Env.MAX_PARTICIPANTS }}muc_max_occupants = "{{ . }}"{{ end }}

{{ if $lobby }}
Component "lobby.{{ $domain }}" "muc"
modules_enabled = {
    {{ with .Env.XMPP_LOBBY_MUC_MODULES }}{{ template "items" . }}{{ end }}
}
restrict_room_creation = true
{{ end }}

{{ if $breakout }}
Component "breakout.{{ $domain }}" "muc"
modules_enabled = {
    {{ with .Env.XMPP_BREAKOUT_MUC_MODULES }}{{ template "items" . }}{{ end }}
}
restrict_room_creation = true
{{ end }}

Component "speakerstats.{{ $domain }}" "speakerstats_component"
modules_enabled = {
    {{ with .Env.XMPP_SPEAKERSTATS_MODULES }}{{ template "items" . }}{{ end }}
}

-- Jicofo, for clients.
Component "focus.{{ $domain }}" "client_proxy"
target_address = "focus@{{ $services }}"
