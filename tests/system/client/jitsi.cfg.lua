-- A Jitsi Meet's Prosody, three times; the hosts follow common.cfg.lua. Every host has a component in the
-- place of Jicofo, which alone may open rooms.

log = { debug = "@FOLDER@/prosody.log" }

modules_enabled = { "saslauth", "disco", "ping", "websocket", "bosh", "smacks" }
http_default_host = "hook.test"
consider_bosh_secure = true
smacks_hibernation_time = 60
muc_room_locking = false
muc_room_default_public_jids = true
admins = { "focus@focus.gate.test", "focus@focus.hook.test", "focus@focus.once.test",
    "focus@focus.open.test", "focus@focus.jitsi.test", "focus@focus.open-jitsi.test" }

-- Behind the gate: Prosody sees no token.
VirtualHost "gate.test"
    authentication = "test_anonymous"

Component "conference.gate.test" "muc"
    restrict_room_creation = true

Component "focus.gate.test" "test_focus"

-- The hook.
VirtualHost "hook.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@SIDECAR_URL@"
    modules_enabled = { "test_inspect" }

Component "conference.hook.test" "muc"
    modules_enabled = { "jitsi_verifier_muc" }
    restrict_room_creation = true

Component "focus.hook.test" "test_focus"
    http_host = "hook.test" -- answers conference requests for rooms of all hosts

-- The hook, and guests are let in.
VirtualHost "open.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@SIDECAR_URL@"

Component "conference.open.test" "muc"
    modules_enabled = { "jitsi_verifier_muc" }
    restrict_room_creation = true

Component "focus.open.test" "test_focus"

-- The hook with a verifier that has single-use tokens.
VirtualHost "once.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@ONCE_URL@"

Component "conference.once.test" "muc"
    modules_enabled = { "jitsi_verifier_muc" }
    restrict_room_creation = true

Component "focus.once.test" "test_focus"
