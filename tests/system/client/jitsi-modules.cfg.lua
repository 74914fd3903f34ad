-- Jitsi's own modules, for comparison. This part is used where JITSI_PROSODY_PLUGINS names their folder.
VirtualHost "jitsi.test"
    authentication = "token"
    app_id = "@APP_ID@"
    app_secret = "@SECRET@"
    muc_mapper_domain_base = "jitsi.test"

Component "conference.jitsi.test" "muc"
    modules_enabled = { "token_verification" }
    muc_mapper_domain_base = "jitsi.test"
    restrict_room_creation = true

Component "focus.jitsi.test" "test_focus"

VirtualHost "open-jitsi.test"
    authentication = "token"
    app_id = "@APP_ID@"
    app_secret = "@SECRET@"
    allow_empty_token = true
    muc_mapper_domain_base = "open-jitsi.test"

Component "conference.open-jitsi.test" "muc"
    modules_enabled = { "token_verification" }
    muc_mapper_domain_base = "open-jitsi.test"
    restrict_room_creation = true

Component "focus.open-jitsi.test" "test_focus"
