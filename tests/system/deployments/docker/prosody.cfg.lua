-- The part around jitsi-meet.cfg.lua that docker-jitsi-meet's container adds, as far as the tests need it.
-- It was written for them.
modules_enabled = { "saslauth"; "disco"; "ping" }
modules_disabled = { "s2s" }
log = { debug = "/run/prosody/prosody.log" }
pidfile = "/run/prosody/prosody.pid"
data_path = "/var/lib/prosody/data"
http_interfaces = { "*" }
http_ports = { {{ .Env.PROSODY_HTTP_PORT }} }
https_ports = {}
c2s_ports = {}
{{ range splitList "\\n" .Env.GLOBAL_CONFIG }}{{ . }}
{{ end }}
Include "conf.d/*.cfg.lua"
