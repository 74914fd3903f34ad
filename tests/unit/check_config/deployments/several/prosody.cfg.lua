-- Token hosts of different kinds, options in tables, and what a component does not inherit.
local realm <const> = "example.net"
local issuers = { "portal"; [2] = "campus" }
issuers[#issuers + 1] = "library"

authentication = "token"
app_id = "shared"
asap_require_room_claim = "false"
muc_mapper_domain_base = "meet." .. realm

VirtualHost ("meet." .. realm)
    cache_keys_url = "https://sso." .. realm .. "/certs"
    asap_accepted_issuers = issuers
    modules_enabled = { "muc_lobby_rooms" }
    allow_empty_token = 1

Component "conference.meet.example.net" "muc"
    modules_enabled = { "token_verification" }

Host "Talk.Example.NET" {
    app_secret = [==[
a long string]] in brackets, with "quotes" and 'quotes']==];
    asap_accepted_issuers = "*";
    enable_domain_verification = 1 == 1.0 and not false;
}

Component "conference.talk.example.net" "muc" {
    modules_enabled = { "muc_meeting_id" };
    app_secret = "the component's own, which no module reads";
}

VirtualHost "anonymous.example.net"
    authentication = "anonymous"

Component "proxy.example.net"
    component_secret = "x" .. 5 .. -2 .. 1.0
