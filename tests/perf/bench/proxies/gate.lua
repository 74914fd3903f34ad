-- A token check inside nginx, in Lua, with OpenSSL's HMAC and RSA.
local base64 = require "ngx.base64"
local digest = require "openssl.digest"
local hmac = require "openssl.hmac"
local json = require "cjson.safe"
local pkey = require "openssl.pkey"

local KEY = [[@KEY@]]
local public = "@ALGORITHM@" == "RS256" and pkey.new(KEY)

local function signed(input, signature)
    if public then
        return public:verify(signature, digest.new("sha256"):update(input))
    end
    return hmac.new(KEY, "sha256"):final(input) == signature
end

local function decoded(segment)
    local text = base64.decode_base64url(segment)
    return text and json.decode(text)
end

local function opens(claims, room)
    local now = ngx.time()
    return type(claims) == "table" and (claims.exp or 0) > now and (claims.nbf or 0) <= now
        and claims.iss == "@ISSUER@" and claims.aud == "@AUDIENCE@" and claims.sub
        and (claims.room == "*" or claims.room == room)
end

return function()
    local token = ngx.var.arg_jwt or ""
    local head, payload, signature = token:match("^([^.]+)%.([^.]+)%.([^.]+)$")
    local header = head and decoded(head)
    local bytes = signature and base64.decode_base64url(signature)
    if not header or header.alg ~= "@ALGORITHM@" or not bytes
        or not signed(head .. "." .. payload, bytes) then
        return ngx.exit(401)
    end
    if not opens(decoded(payload), ngx.var.uri:match("([^/]*)$")) then
        return ngx.exit(403)
    end
end
