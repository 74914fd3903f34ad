-- jitsi-verifier for HAProxy: the action "lua.jitsi-verifier ADDRESS" asks the verifier about a
-- request. HAProxy waits without blocking. Then it passes the request on with the verifier's identity
-- headers, or it answers with the verifier's denial. No answer is a denial too.
--
-- This file knows HTTP and the verifier's headers. jitsi-verifier.cfg says which paths are gated.
-- luacheck: std lua53, read globals core

local IDENTITY = {
    "x-jitsi-room", "x-jitsi-tenant", "x-jitsi-subject", "x-jitsi-issuer", "x-jitsi-user-id",
    "x-jitsi-user-name", "x-jitsi-user-email", "x-jitsi-group", "x-jitsi-moderator",
    "x-jitsi-affiliation", "x-jitsi-features", "x-jitsi-expires", "x-jitsi-would-deny",
}
local REFUSAL = {
    "x-jitsi-denial", "www-authenticate", "retry-after", "content-type", "cache-control",
    -- For pages of other origins (the option cors_origins).
    "access-control-allow-origin", "access-control-allow-credentials",
    "access-control-expose-headers", "vary",
}

-- Returns every value of a header, so that the verifier sees a header that was sent twice.
-- HAProxy counts from 0, Lua from 1.
local function values(headers, name)
    local found = {}
    for index, value in pairs(headers[name] or {}) do
        found[index + 1] = value
    end
    return found
end

-- Returns whether the client wants a websocket: its Upgrade header, or - if it sent none. Prosody takes
-- any value for a websocket, so a client's own - must look different.
local function wanted_protocol(sent)
    local value = table.concat(values(sent, "upgrade"), ", ")
    if value == "-" then
        return "other"
    end
    return sent["upgrade"] and value or "-"
end

-- Returns the headers for the verifier. It gets only these headers of the client.
local function request_headers(txn)
    local sent = txn.http:req_get_headers()
    return {
        ["x-forwarded-uri"] = { txn.sf:pathq() },
        ["x-forwarded-method"] = { txn.sf:method() },
        ["x-forwarded-host"] = values(sent, "host"),
        ["x-real-ip"] = { txn.sf:src() },
        ["x-request-id"] = { txn.sf:unique_id() },
        ["authorization"] = values(sent, "authorization"),
        -- For the web clients' keep-alives, which are counted apart.
        ["x-forwarded-upgrade"] = { wanted_protocol(sent) },
        -- For pages of other origins: preflights, and the option cors_origins.
        ["origin"] = values(sent, "origin"),
        ["access-control-request-method"] = values(sent, "access-control-request-method"),
        -- For the option token_cookie, also:
        -- ["cookie"] = values(sent, "cookie"),
    }
end

local function let_in(txn, answer)
    for _, name in ipairs(IDENTITY) do
        local value = values(answer, name)[1]
        if value then
            txn.http:req_set_header(name, value)
        else
            txn.http:req_del_header(name)
        end
    end
end

local function refuse(txn, response)
    local status = response.status or 0
    if status < 400 or status > 599 then
        response = { status = 503, reason = "Service Unavailable", headers = {}, body = "" }
    end
    local code = values(response.headers, "x-jitsi-denial")[1]
    txn:set_var("txn.jitsi_verifier_denial", code or "no-answer")
    local reply = txn:reply{
        status = response.status, reason = response.reason, body = response.body,
    }
    for _, name in ipairs(REFUSAL) do
        for _, value in ipairs(values(response.headers, name)) do
            reply:add_header(name, value)
        end
    end
    txn:done(reply)
end

local function gate(txn, address)
    local response = core.httpclient():get{
        url = "http://jitsi-verifier/forward-auth",
        dst = address,
        headers = request_headers(txn),
    }
    if response and response.status == 200 then
        let_in(txn, response.headers)
    else
        refuse(txn, response or {})
    end
end

core.register_action("jitsi-verifier", { "http-req" }, gate, 1)
