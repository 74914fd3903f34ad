-- The hosts of the benchmark, which follow common.cfg.lua. Only errors are logged.

log = { error = "@FOLDER@/prosody.log" }

http_default_host = "none.test"
modules_enabled = { "saslauth", "ping", "websocket" }
network_settings = { tcp_backlog = 511 } -- as in docker-jitsi-meet

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
