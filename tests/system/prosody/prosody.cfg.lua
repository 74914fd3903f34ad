-- The hosts of the tests, which follow common.cfg.lua.

log = { debug = "@FOLDER@/prosody.log" }

http_default_host = "hs.test"
modules_enabled = { "saslauth", "disco", "ping", "websocket", "bosh", "smacks" }

consider_bosh_secure = true
allow_unencrypted_plain_auth = true
smacks_hibernation_time = 30

muc_room_locking = false
muc_room_default_public_jids = true
admins = { "focus@auth.test" }

-- A shared secret, domain verification, no guests.
VirtualHost "hs.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@HS_URL@"
    modules_enabled = { "test_inspect" }

-- Takes the verifier's URL from its parent host.
Component "conference.hs.test" "muc"
    modules_enabled = { "jitsi_verifier_muc" }
    jitsi_verifier_allowlist = { "Recorder.Test", "Jigasi@guest.test" }

-- Another host of the same verifier: under the verifier's name for it, and under another name.
VirtualHost "second.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@HS_URL@"

Component "conference.second.test" "muc"
    modules_enabled = { "jitsi_verifier_muc" }
    jitsi_verifier_allow_guest_hosts = true

VirtualHost "internal.second"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@HS_URL@"
    jitsi_verifier_host = "second.test"

-- A third host of the same verifier: only moderators open rooms.
VirtualHost "moderated.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@HS_URL@"

Component "conference.moderated.test" "muc"
    modules_enabled = { "jitsi_verifier_muc" }
    jitsi_verifier_allow_guest_hosts = true

-- A fourth host of the same verifier: no domain verification.
VirtualHost "open.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@HS_URL@"

Component "conference.open.test" "muc"
    modules_enabled = { "jitsi_verifier_muc" }

-- The same host for the verifier, but an option keeps users of other hosts out.
VirtualHost "closed.open.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@HS_URL@"
    jitsi_verifier_host = "open.test"

Component "conference.closed.open.test" "muc"
    modules_enabled = { "jitsi_verifier_muc" }
    jitsi_verifier_allow_guest_hosts = false

-- A key server and guests; no domain verification.
VirtualHost "rs.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = { "@RS_URL@" }

Component "conference.rs.test" "muc"
    modules_enabled = { "jitsi_verifier_muc", "test_moderation" }
    jitsi_verifier_require_token_for_moderation = true

-- fake_verifier.py, whose answer depends on the token.
VirtualHost "fault.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@FAKE_URL@"
    jitsi_verifier_timeout = 3
    jitsi_verifier_host = "meet.example.org"

Component "conference.fault.test" "muc"
    modules_enabled = { "jitsi_verifier_muc" }

-- The same, for tests that delay its answer.
VirtualHost "slow.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@FAKE_URL@"
    jitsi_verifier_timeout = 60

Component "conference.slow.test" "muc"
    modules_enabled = { "jitsi_verifier_muc" }
    jitsi_verifier_allow_guest_hosts = true

-- A verifier that a test starts and stops.
VirtualHost "down.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "@RESTARTED_URL@"

Component "conference.down.test" "muc"
    modules_enabled = { "jitsi_verifier_muc" }

-- The first address never answers, the second refuses connections, the third works.
VirtualHost "failover.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = { "@SILENT_URL@", "@CLOSED_URL@", "@FAKE_URL@" }
    jitsi_verifier_timeout = 6

-- Invalid options.
VirtualHost "bad.test"
    authentication = "jitsi_verifier"
    jitsi_verifier_url = "ftp://user:hidden-password@verifier.example.org"
    jitsi_verifier_timeout = "soon"

-- Hosts with other authentication: guests, recorders, Jicofo.
VirtualHost "guest.test"
    authentication = "anonymous"

VirtualHost "guest.hs.test"
    authentication = "insecure"
    insecure_open_authentication = "Yes please, I know what I'm doing!"

VirtualHost "own.hs.test"
    authentication = "test_anonymous"

VirtualHost "guest.fault.test"
    authentication = "insecure"
    insecure_open_authentication = "Yes please, I know what I'm doing!"

VirtualHost "recorder.test"
    authentication = "anonymous"

VirtualHost "auth.test"
    authentication = "insecure"
    insecure_open_authentication = "Yes please, I know what I'm doing!"
