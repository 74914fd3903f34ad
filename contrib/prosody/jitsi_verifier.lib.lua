-- Functions that both modules share: they read requests of clients, write requests to the verifier,
-- and read its answers. This file works on values only. It uses no session, socket, timer or option
-- of Prosody.

local encodings = require "util.encodings";
local http = require "util.http";
local json = require "util.json";

local base64_decode = encodings.base64.decode;
local is_utf8 = encodings.utf8.valid;

-- The session fields that Jitsi's other modules read, with their types. Nothing else is taken from an
-- answer.
local SESSION_TYPES = {
	jitsi_meet_room = "string";
	jitsi_meet_domain = "string";
	jitsi_meet_str_tenant = "string";
	jitsi_meet_auth_issuer = "string";
	jitsi_meet_context_user = "table";
	jitsi_meet_context_group = "string";
	jitsi_meet_context_features = "table";
	jitsi_meet_context_room = "table";
};
local AFFILIATIONS = { owner = true; member = true };
-- Denials that say nothing about the token: the next attempt may succeed.
local TEMPORARY = { ["keys-unavailable"] = true; ["verifier-unavailable"] = true };
-- Conditions of XMPP. Every other condition is Jitsi's own and gets its own element.
local STANDARD_CONDITIONS = { ["not-allowed"] = true; ["not-authorized"] = true };
-- A request to the verifier: bytes of a tenant, and characters to escape in one string.
local LONGEST_TENANT, MOST_ESCAPES = 1023, 1100;
local UNAVAILABLE = "Tokens cannot be verified at the moment, please try again later";

-- Returns the parameters of a query. `formdecode` returns a string for a query without "=".
local function parameters(query)
	local decoded = http.formdecode(query or "");
	return type(decoded) == "table" and decoded or {};
end

-- Returns the token of a BOSH or WebSocket request: the query's, else the header's.
local function token_of(headers, params)
	if params.token then
		return params.token;
	end
	local header = headers.authorization;
	return header and header:match("^[Bb][Ee][Aa][Rr][Ee][Rr] +(%S+)%s*$");
end

-- A request to the verifier is JSON, so it must be UTF-8. Other bytes belong to no token and to no
-- tenant. They are replaced, so that the verifier can deny the request.
local function to_utf8(text)
	return is_utf8(text) and text or (text:gsub("[\128-\255]", "?"));
end

local function escape(character)
	return ("\\u%04x"):format(character:byte());
end

-- Writes a string, or null. The verifier refuses a request with too many quotes, commas and brackets
-- before it reads it, or with too many bytes. Then no client could be denied, and the verifier would
-- look like one that does not work. A room can have many of these characters, a token has none.
local function quote(text)
	if text == nil then
		return "null";
	end
	local escaped, count = to_utf8(text):gsub('[%z\1-\31"\\,%[{]', escape);
	if count > MOST_ESCAPES then
		escaped = to_utf8(text):gsub('[%z\1-\31"\\,%[{]', "?");
	end
	return '"' .. escaped .. '"';
end

-- A longer prefix is no tenant, and the verifier refuses to read it.
local function quote_prefix(prefix)
	return quote(prefix and #prefix > LONGEST_TENANT and "?" or prefix);
end

local function encode_request(request)
	return '{"token":' .. quote(request.token)
		.. ',"room_jid":' .. quote(request.room_jid)
		.. ',"query_prefix":' .. quote_prefix(request.query_prefix)
		.. ',"host":' .. quote(request.host)
		.. ',"room_requires_authentication":' .. tostring(request.room_requires_authentication or false)
		.. ',"creates_room":' .. tostring(request.creates_room or false)
		.. ',"admitted_before":' .. tostring(request.admitted_before or false)
		.. ',"authenticated_elsewhere":' .. tostring(request.authenticated_elsewhere or false)
		.. "}";
end

-- util.json decodes null to a truthy table. A null is removed, so that no code takes it for a value. An
-- object is changed in its place, which leaves Prosody less garbage to collect.
local function without_nulls(value)
	if value == json.null then
		return nil;
	elseif type(value) ~= "table" then
		return value;
	elseif value[1] ~= nil then
		local copy = {};
		for _, element in ipairs(value) do
			copy[#copy + 1] = without_nulls(element);
		end
		return copy;
	end
	for key, member in pairs(value) do
		value[key] = without_nulls(member);
	end
	return setmetatable(value, nil); -- util.json marks an empty array
end

-- Decodes an object; returns nil and "answer-malformed" for anything else. util.json merges members
-- with the names "__array" and "__hash" into the object around them, or raises an error. The decoded
-- object would differ from what the author wrote, so such an object is refused.
local function decode_object(text)
	if type(text) ~= "string" or text:find('"__array"%s*:') or text:find('"__hash"%s*:') then
		return nil, "answer-malformed";
	end
	local ok, value = pcall(json.decode, text);
	value = ok and without_nulls(value);
	if type(value) ~= "table" or #value > 0 then
		return nil, "answer-malformed";
	end
	return value;
end

-- Returns the claims of a token that was verified before.
local function claims_of(token)
	local payload = token:match("^[^.]*%.([^.]*)%.[^.]*$");
	if not payload then
		return nil, "claim-malformed";
	end
	payload = payload:gsub("[-_]", { ["-"] = "+"; ["_"] = "/" });
	local claims = decode_object(base64_decode(payload .. ("="):rep(-#payload % 4)));
	if not claims then
		return nil, "claim-malformed";
	end
	return claims;
end

-- Returns the claims that were stored in a session.
local function claims_from_session(session)
	local context = {
		user = session.jitsi_meet_context_user;
		group = session.jitsi_meet_context_group;
		features = session.jitsi_meet_context_features;
		room = session.jitsi_meet_context_room;
		tenant = session.jitsi_meet_str_tenant;
	};
	return {
		iss = session.jitsi_meet_auth_issuer;
		sub = session.jitsi_meet_domain;
		room = session.jitsi_meet_room;
		context = next(context) ~= nil and context or nil;
	};
end

-- Returns a word that is valid as an XML name and in a log, else the default.
local function to_word(value, default)
	if type(value) == "string" and #value <= 64 and value:find("^%a[%w-]*$") then
		return value;
	end
	return default;
end

-- Returns a text that is valid in a stanza, else the default.
local function to_text(value, default)
	if type(value) ~= "string" or value == "" or #value > 1024 then
		return default;
	elseif value:find("[%z\1-\8\11\12\14-\31]") or not is_utf8(value) then
		return default;
	elseif value:find("\239\191[\190\191]") then
		return default; -- U+FFFE and U+FFFF are no XML characters
	end
	return value;
end

local function refusal(code, reason, condition)
	return { allowed = false; code = code; reason = reason; condition = condition or "not-allowed" };
end

local function session_values(bound)
	local values = {};
	for field, kind in pairs(SESSION_TYPES) do
		local value = bound[field];
		if value ~= nil and type(value) ~= kind then
			return nil, "answer-malformed";
		end
		values[field] = value;
	end
	return values;
end

-- Reads an answer. Returns a table with `allowed`, or nil and a word if the answer is not a verdict.
local function read_verdict(body)
	local answer, err = decode_object(body);
	if not answer then
		return nil, err;
	end
	if answer.allowed == false then
		local code, condition = to_word(answer.code, "not-allowed"), to_word(answer.error);
		return refusal(code, to_text(answer.reason, "Access denied"), condition);
	end
	local bound, affiliation = answer.session or {}, answer.affiliation;
	if answer.allowed ~= true or type(bound) ~= "table" or #bound > 0 then
		return nil, "answer-malformed";
	elseif affiliation ~= nil and not AFFILIATIONS[affiliation] then
		return nil, "answer-malformed";
	end
	local values, malformed = session_values(bound);
	if not values then
		return nil, malformed;
	end
	return {
		allowed = true;
		affiliation = affiliation;
		tenant_mismatch = answer.tenant_mismatch == true;
		session = values;
	};
end

-- Returns the denial for all clients while no verifier answers.
local function unavailable()
	return refusal("verifier-unavailable", UNAVAILABLE);
end

-- Returns whether a denial says nothing about the token.
local function is_temporary(verdict)
	return TEMPORARY[verdict.code] or false;
end

-- Returns the SASL condition for a denial, as Jitsi's module answers it. RFC 6120 does not have
-- not-allowed, but Jitsi's client shows the text next to this condition only.
local function sasl_condition(verdict)
	return STANDARD_CONDITIONS[verdict.condition] and verdict.condition or "not-allowed";
end

-- Returns the error for a denied stanza: type, condition, and Jitsi's own element, or nil.
local function stanza_error(verdict)
	if is_temporary(verdict) then
		return "wait", "remote-server-timeout", nil;
	end
	local condition = verdict.condition;
	return "cancel", "not-allowed", not STANDARD_CONDITIONS[condition] and condition or nil;
end

-- Returns the URL of /v1/verify for an address in the options, or nil and a word.
local function endpoint(url)
	if type(url) ~= "string" or not url:find("^https?://[^/%s?#]+[^%s?#]*$") then
		return nil, "url-invalid";
	end
	local base = url:gsub("/+$", "");
	return base:find("/v1/verify$") and base or base .. "/v1/verify";
end

-- Returns an address for the log, without credentials.
local function display(url)
	return (url:gsub("//[^/@]*@", "//"));
end

return {
	SESSION_TYPES = SESSION_TYPES;
	claims_from_session = claims_from_session;
	claims_of = claims_of;
	display = display;
	encode_request = encode_request;
	endpoint = endpoint;
	is_temporary = is_temporary;
	parameters = parameters;
	read_verdict = read_verdict;
	refusal = refusal;
	sasl_condition = sasl_condition;
	stanza_error = stanza_error;
	to_text = to_text;
	to_word = to_word;
	token_of = token_of;
	unavailable = unavailable;
	urlencode = http.urlencode;
};
