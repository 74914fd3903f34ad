-- A host of Jitsi Meet with tokens, with the options that its Debian packages write. No Jicofo has to
-- open the rooms here.

https_ports = {}
c2s_ports = {}
s2s_ports = {}

component_admins_as_room_owners = true
plugin_paths = { "/usr/share/jitsi-meet/prosody-plugins/" }
muc_mapper_domain_base = "meet.example.org"

consider_bosh_secure = true
consider_websocket_secure = true
unlimited_jids = { "focus@auth.meet.example.org", "jvb@auth.meet.example.org" }
smacks_max_unacked_stanzas = 5
smacks_hibernation_time = 60
smacks_max_old_sessions = 1

VirtualHost "meet.example.org"
    authentication = "token" -- do not delete me
    app_id="my_app"
    app_secret="@SECRET@"
    modules_enabled = {
        "bosh";
        "websocket";
        "smacks";
        "ping";
    }
    c2s_require_encryption = false
    main_muc = "conference.meet.example.org"

Component "conference.meet.example.org" "muc"
    restrict_room_creation = false
    storage = "memory"
    modules_enabled = {
        "muc_domain_mapper";
        "token_verification";
        "token_affiliation";
    }
    admins = { "focus@auth.meet.example.org" }
    muc_room_locking = false
    muc_room_default_public_jids = true

VirtualHost "auth.meet.example.org"
    modules_enabled = {
        "smacks";
    }
    authentication = "internal_hashed"
    smacks_hibernation_time = 15

VirtualHost "recorder.meet.example.org"
    modules_enabled = {
        "smacks";
    }
    authentication = "internal_hashed"
