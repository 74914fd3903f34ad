admins = {
    

    "focus@auth.meet.jitsi",
    "jvb@auth.meet.jitsi"
}

plugin_paths = { "/prosody-plugins/", "/prosody-plugins-custom" }

muc_mapper_domain_base = "meet.jitsi";
muc_mapper_domain_prefix = "muc";

http_default_host = "meet.jitsi"



asap_accepted_issuers = { "my_web_client","my_app_client" }



asap_accepted_audiences = { "my_server1","my_server2" }


consider_bosh_secure = true;

VirtualHost "meet.jitsi"

  
    authentication = "token"
    app_id = "my_jitsi_app_id"
    app_secret = "my_jitsi_app_secret"
    allow_empty_token = true
    
    enable_domain_verification = false
  

    modules_enabled = {
        "bosh";
        
        "websocket";
        "smacks"; -- XEP-0198: Stream Management
        
        "pubsub";
    }

    main_muc = "muc.meet.jitsi"
    c2s_require_encryption = false

VirtualHost "guest.meet.jitsi"
    authentication = "jitsi-anonymous"
    modules_enabled = {
        "ping";
    }

VirtualHost "auth.meet.jitsi"
    modules_enabled = {
        "limits_exception";
        "ping";
    }
    authentication = "internal_hashed"

Component "internal-muc.meet.jitsi" "muc"
    storage = "memory"
    restrict_room_creation = true

Component "muc.meet.jitsi" "muc"
    restrict_room_creation = true
    storage = "memory"
    modules_enabled = {
        "muc_meeting_id";
        
        "token_verification";
        
        "muc_domain_mapper";
    }
    rate_limit_cache_size = 10000;
    muc_password_whitelist = {
        "focus@auth.meet.jitsi"
    }

Component "focus.meet.jitsi" "client_proxy"
    target_address = "focus@auth.meet.jitsi"
