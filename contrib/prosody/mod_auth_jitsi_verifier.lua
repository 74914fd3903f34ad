-- Authentication for a VirtualHost of Jitsi Meet: the verifier judges the token of each login.
-- This module knows where Jitsi's web client puts a token, which events Jitsi's modules fire and obey
-- at a login, and which session fields they read. It knows nothing about keys, rules and rooms.

local generate_uuid = require "util.uuid".generate;

local verifier = module:require "jitsi_verifier";
local new_client = module:require "jitsi_verifier_client".new;

local client, verifier_host;
local function configure()
	client = new_client(function () return module; end);
	verifier_host = module:get_option_string("jitsi_verifier_host", module.host);
end
configure();
module:hook_global("config-reloaded", configure);

-- A session's host is not known at this point. So this handler runs for sessions of every host, once
-- for each host with this module, and must give the same result each time. It runs after
-- mod_jitsi_session and only adds fields that are missing.
local function read_request(event)
	local session, request = event.session, event.request;
	local query = request.url.query;
	local params = verifier.parameters(query);
	session.auth_token = verifier.token_of(request.headers, params);
	session.user_agent_header = request.headers.user_agent;
	session.previd = session.previd or params.previd;
	session.customusername = session.customusername or params.customusername;
	if query then
		session.jitsi_web_query_room = session.jitsi_web_query_room or verifier.urlencode(params.room);
		session.jitsi_web_query_prefix = session.jitsi_web_query_prefix
			or verifier.urlencode(params.prefix) or "";
	end
end
module:hook_global("bosh-session", read_request, -1);
module:hook_global("websocket-session", read_request, -1);

local function fire(event_name, data)
	return prosody.events.fire_event(event_name, data);
end

local function is_refused(result)
	return type(result) == "table" and result.res == false;
end

-- Returns the denial for a refusal by one of Jitsi's modules.
local function refusal_by_event(result)
	return verifier.refusal(verifier.to_word(result.error, "not-allowed"),
		verifier.to_text(result.reason, "Access denied"));
end

local function bind(session, values)
	for field in pairs(verifier.SESSION_TYPES) do
		session[field] = values[field];
	end
end

-- Removes the token's fields: a denied session must not look like a token user's to other modules.
local function unbind(session)
	session.auth_token = nil;
	bind(session, {});
end

-- Fires Jitsi's event for a verified token. The claims are decoded again only if a module listens or
-- a module demands a context.
local function announce(session)
	local has_listener = prosody.events.get_handlers("jitsi-authentication-token-verified");
	if not has_listener and not session.contextRequired then
		return true;
	end
	local claims = verifier.claims_of(session.auth_token) or verifier.claims_from_session(session);
	if session.contextRequired and claims.context == nil then
		return nil, verifier.refusal("claim-malformed", "jwt missing required context claim");
	end
	fire("jitsi-authentication-token-verified", { session = session; claims = claims });
	return true;
end

local function verify(session)
	local verdict = client:ask({
		token = session.auth_token;
		query_prefix = session.jitsi_web_query_prefix;
		host = verifier_host;
	}, session.ip);
	if session.destroyed then
		return nil, verifier.refusal("client-gone", "The client is gone");
	elseif not verdict.allowed then
		return nil, verdict;
	elseif not session.auth_token then
		return true;
	end
	bind(session, verdict.session);
	return announce(session);
end

-- Returns the user name of the session that a client resumes (XEP-0198) on this host, or nil.
local function resumed_username(previd)
	for username, user in pairs(previd and prosody.hosts[module.host].sessions or {}) do
		for _, session in pairs(user.sessions) do
			if session.resumption_token == previd then
				return username;
			end
		end
	end
end

local function choose_username(session)
	local chosen = fire("pre-jitsi-authentication", session);
	if type(chosen) == "string" then
		return chosen;
	end
	return resumed_username(session.previd) or generate_uuid();
end

-- Fires the events around the verdict in Jitsi's order. Returns a user name, or nil and a denial.
local function login(session)
	local early = fire("pre-jitsi-authentication-fetch-key", session);
	if is_refused(early) then
		return nil, refusal_by_event(early);
	end
	local verified, refusal = verify(session);
	if not verified then
		return nil, refusal;
	elseif fire("jitsi-access-ban-check", session) == false then
		return nil, verifier.refusal("banned", "user is banned");
	end
	local username = choose_username(session);
	local late = fire("post-jitsi-authentication", session);
	if is_refused(late) then
		return nil, refusal_by_event(late);
	end
	return username;
end

-- After a Lua error Prosody would send no answer. The error message may contain a token, because an
-- event handler of another module can raise it. So only the place of the error is logged.
local function guarded_login(session)
	local ok, username, refusal = pcall(login, session);
	if ok then
		return username, refusal;
	end
	local place = tostring(username):match("^[^%s:]+:%d+") or "unknown place";
	module:log("error", "A login failed at %s: a bug in this module or in one that it calls", place);
	return nil, verifier.unavailable();
end

local handler = {};
local handler_mt = { __index = handler };

local function new_handler(session)
	return setmetatable({ session = session }, handler_mt);
end

function handler:mechanisms() -- luacheck: no self
	return { ANONYMOUS = true };
end

function handler:select(mechanism)
	if mechanism ~= "ANONYMOUS" or self.selected then
		return false;
	end
	self.selected = mechanism;
	return true;
end

function handler:process()
	local session = self.session;
	local username, refusal = guarded_login(session);
	if session.destroyed then
		-- The client left during the wait. mod_saslauth of Prosody 13 reads this field next, and a
		-- destroyed session has lost it.
		session.base_type = "c2s";
	end
	if username then
		self.username = username;
		return "success";
	end
	unbind(session);
	if refusal.code ~= "verifier-unavailable" then
		(session.log or module._log)("info", "Login refused: %s", refusal.code);
	end
	return "failure", verifier.sasl_condition(refusal), refusal.reason;
end

function handler:clean_clone()
	return new_handler(self.session);
end

-- Some of Jitsi's modules clean up on this event before a session leaves its rooms.
module:hook("pre-resource-unbind", function (event)
	local session = event.session;
	fire("jitsi-pre-session-unbind", { jid = session.full_jid; session = session; error = event.error });
end, 11);

module:provides("auth", { get_sasl_handler = new_handler });
