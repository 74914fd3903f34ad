-- Prosody for the benchmark: as for the tests, but it logs only errors. prosody.py replaces each @NAME@.

daemonize = false
run_as_root = true
data_path = "@FOLDER@/data"
pidfile = "@FOLDER@/prosody.pid"
plugin_paths = { "@CONTRIB@", "@PLUGINS@" }
log = { error = "@FOLDER@/prosody.log" }
storage = "memory"

interfaces = { "127.0.0.1" }
c2s_ports = {}
http_ports = { @PORT@ }
http_interfaces = { "127.0.0.1" }
https_ports = {}
http_default_host = "none.test"
modules_disabled = { "s2s" }
modules_enabled = { "saslauth", "ping", "websocket" }
network_settings = { tcp_backlog = 511 } -- as in docker-jitsi-meet

c2s_require_encryption = false
consider_websocket_secure = true

-- No token check.
VirtualHost "none.test"
    authentication = "anonymous"

-- Prosody itself checks the token.
VirtualHost "plain.test"
    authentication = "plain_token"
    app_id = "@APP_ID@"
    app_secret = "@SECRET@"

-- Prosody asks the verifier.
VirtualHost "hook.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@HOOK_URL@"
