-- The settings of every Prosody in tests and benchmarks: it shares no folder and no port with an
-- installed Prosody. prosody.py replaces each @NAME@.

daemonize = false
strict_deprecate_is_admin = true
run_as_root = true
data_path = "@FOLDER@/data"
pidfile = "@FOLDER@/prosody.pid"
plugin_paths = { "@CONTRIB@", "@PLUGINS@" }
storage = "memory"

interfaces = { "127.0.0.1" }
c2s_ports = {}
http_ports = { @PORT@ }
http_interfaces = { "127.0.0.1" }
https_ports = {}
modules_disabled = { "s2s" }

c2s_require_encryption = false
consider_websocket_secure = true

