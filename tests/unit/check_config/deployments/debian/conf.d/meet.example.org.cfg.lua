plugin_paths = { "/usr/share/jitsi-meet/prosody-plugins/" }

-- domain mapper options, must at least have domain base set to use the mapper
muc_mapper_domain_base = "meet.example.org";

external_services = {
     { type = "stun", host = "meet.example.org", port = 3478 },
     { type = "turns", host = "meet.example.org", port = 5349, transport = "tcp", secret = true, ttl = 86400 },
};

cross_domain_bosh = false;
consider_bosh_secure = true;
--[[ A long comment
     app_id = "not this one" ]]
unlimited_jids = {
    "focus@auth.meet.example.org",
    "jvb@auth.meet.example.org"
}
asap_accepted_issuers = { "moodle", "portal" }
asap_accepted_audiences = { "jitsi" }

VirtualHost "meet.example.org"
    authentication = "token" -- do not delete me
    app_id="moodle"
    app_secret="4b1c6a2f9e0d7358c1b2a3948576e0f1d2c3b4a5"
    ssl = {
        key = "/etc/prosody/certs/meet.example.org.key";
        certificate = "/etc/prosody/certs/meet.example.org.crt";
    }
    modules_enabled = {
        "bosh";
        "ping"; -- Enable mod_ping
        "muc_lobby_rooms";
    }
    c2s_require_encryption = false
    lobby_muc = "lobby.meet.example.org"
    main_muc = "conference.meet.example.org"

Component "conference.meet.example.org" "muc"
    restrict_room_creation = true
    storage = "memory"
    modules_enabled = {
        "muc_meeting_id";
        "muc_domain_mapper";
        "token_verification";
    }
    admins = { "focus@auth.meet.example.org" }
    muc_room_locking = false

-- internal muc component
Component "internal.auth.meet.example.org" "muc"
    storage = "memory"
    modules_enabled = { "ping"; }

VirtualHost "auth.meet.example.org"
    authentication = "internal_hashed"

Component "focus.meet.example.org" "client_proxy"
    target_address = "focus@auth.meet.example.org"

VirtualHost "jigasi.meet.jitsi"
    enabled = false
    authentication = "token"
    app_id = "jitsi";
    asap_key_server = "https://keys.example.net/components"
    asap_accepted_issuers = { "components" }
