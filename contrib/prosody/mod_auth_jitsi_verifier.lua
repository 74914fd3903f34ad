-- Authentication for a VirtualHost of Jitsi Meet: the verifier judges the token of each login.
-- This module knows where Jitsi's web client puts a token, which events Jitsi's modules fire and obey
-- at a login, and which session fields they read. It knows nothing about keys, rules and rooms.

local sessionmanager = require "core.sessionmanager";
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

-- Returns the session that a client resumes (XEP-0198) on its host, or nil.
local function resumed_session(session)
	for _, user in pairs(session.previd and prosody.hosts[session.host].sessions or {}) do
		for _, other in pairs(user.sessions) do
			if other.resumption_token == session.previd then
				return other;
			end
		end
	end
end

-- Returns whether a client comes back to a session that was let in with the same token, which has not
-- expired since. The session would go on if its connection had not been lost, so it also goes on while
-- no verifier answers.
local function may_go_on(session, original)
	if not original or not original._jitsi_auth_done or original.auth_token ~= session.auth_token then
		return false;
	elseif not session.auth_token then
		return true;
	end
	local claims = verifier.claims_of(session.auth_token);
	return claims and (claims.exp == nil or type(claims.exp) == "number" and os.time() < claims.exp);
end

-- Returns the values of the token's session, or nil and a denial.
local function judge(session)
	local verdict = client:ask({
		token = session.auth_token;
		query_prefix = session.jitsi_web_query_prefix;
		host = verifier_host;
	}, session.ip);
	if session.destroyed then
		return nil, verifier.refusal("client-gone", "The client is gone");
	elseif verdict.allowed then
		return verdict.session;
	end
	local original = resumed_session(session);
	if verifier.is_temporary(verdict) and may_go_on(session, original) then
		return original;
	end
	return nil, verdict;
end

local function verify(session)
	local values, refusal = judge(session);
	if not values then
		return nil, refusal;
	elseif not session.auth_token then
		return true;
	end
	bind(session, values);
	return announce(session);
end

local function choose_username(session)
	local chosen = fire("pre-jitsi-authentication", session);
	if type(chosen) == "string" then
		return chosen;
	end
	local resumed = resumed_session(session);
	if resumed and resumed.auth_token and not session.auth_token then
		resumed = nil; -- a guest never gets the rights of a token that may have been revoked
	end
	return resumed and resumed.username or generate_uuid();
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
local function guarded(step, ...)
	local ok, result, refusal = pcall(step, ...);
	if ok then
		return result, refusal;
	end
	local place = tostring(result):match("^[^%s:]+:%d+") or "unknown place";
	module:log("error", "A login failed at %s: a bug in this module or in one that it calls", place);
	return nil, verifier.refusal("login-failed", "The login failed in the server");
end

-- Ends the connection without an answer. Jitsi's client takes every answer for a wrong token: it
-- forgets its session and asks for a password. A client that loses its connection comes back to its
-- session. The caller goes on with the session, so the connection ends after the caller.
local function drop(session)
	session.send = function () return false; end
	module:add_timer(0, function ()
		if session.destroyed then
			return;
		elseif session.requests then -- BOSH: without an answer the client would wait for a minute
			session:close({ condition = "remote-connection-failed"; text = "The token cannot be verified" });
		elseif session.conn then
			session.conn:close();
		end
	end);
end

-- The client already has a line for each outage.
local function log_refusal(session, refusal)
	if refusal.code ~= "verifier-unavailable" then
		(session.log or module._log)("info", "Login refused: %s", refusal.code);
	end
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
	local username, refusal = guarded(login, session);
	if session.destroyed then
		-- The client left during the wait. mod_saslauth of Prosody 13 reads this field next, and a
		-- destroyed session has lost it.
		session.base_type = "c2s";
	end
	if username then
		self.username = username;
		session._jitsi_auth_done = true; -- Jitsi's own module judges no session that has this mark
		return "success";
	end
	log_refusal(session, refusal);
	if not session.destroyed and verifier.is_temporary(refusal) then
		drop(session);
	end
	unbind(session);
	return "failure", verifier.sasl_condition(refusal), refusal.reason;
end

function handler:clean_clone()
	return new_handler(self.session);
end

-- Resumption with another token (XEP-0198), on Prosody 13: a session takes over the claims of the
-- connection that resumes it, as with Jitsi's own module. Earlier releases do not tell modules of it,
-- and a session keeps the claims of its login. Nothing can wait at the moment of the change. So the
-- token is judged before, when the client's request arrives:
--
--   stanza/…:resume, 10     judges the token and whether it covers the session's rooms; if it does not,
--                           the new connection gets the claims that the session has
--   c2s-session-updated     the session gets the claims of the new connection
--
-- Users of hosts without this module, such as guest.example.org, may log in during a call in this way.
-- A host belongs to the nearest host above it that has this module, or to the only one.

local function copy_claims(to, from)
	to.auth_token = from.auth_token;
	bind(to, from);
end

local function is_judged(name)
	return prosody.hosts[name] and prosody.hosts[name].modules.auth_jitsi_verifier;
end

local function judging_host(name)
	local above, only = name, nil;
	while above do
		if is_judged(above) then
			return above;
		end
		above = above:match("^[^.]+%.(.+)$");
	end
	for other in pairs(prosody.hosts) do
		if is_judged(other) then
			if only then
				return nil;
			end
			only = other;
		end
	end
	return only;
end

-- Returns true, or nil and a denial. The login of another host has judged no token, not even one that the
-- session has already.
local function judge_token(session, original)
	if session.host ~= module.host then
		local verified, refusal = login(session);
		if not verified then
			return nil, refusal;
		elseif session.auth_token == original.auth_token then
			return true;
		end
	end
	local refusal = fire("jitsi-verifier-session-rooms", { session = original; from_session = session });
	if not refusal then
		return true;
	elseif verifier.is_temporary(refusal) then
		return nil, refusal;
	end
	session.log("info", "A new token does not cover the rooms of its session: %s", refusal.code);
	copy_claims(session, original);
	return true;
end

-- Returns whether another host's login has judged the token, such as the login of Jitsi's own module. A
-- resumption that was judged here, and that failed, leaves the same mark.
local function is_judged_elsewhere(session)
	return session.host ~= module.host and session._jitsi_auth_done and not session.jitsi_verifier_resumes;
end

local function resume(session, original)
	local judged, refusal = true, nil;
	if session.auth_token == original.auth_token and session.host == module.host then
		copy_claims(session, original); -- other modules may have changed them
	else
		judged, refusal = guarded(judge_token, session, original);
	end
	if session.destroyed then
		return true;
	elseif judged then
		session.conn:resume(); -- after the wait, Prosody would look for the connection in this session
		session.jitsi_verifier_resumes = module.host;
		session._jitsi_auth_done = true;
		return;
	end
	log_refusal(session, refusal);
	if verifier.is_temporary(refusal) then
		drop(session);
	else
		session:close({ condition = "not-authorized"; text = refusal.reason });
	end
	return true;
end

local function judge_resumption(event)
	local session = event.origin;
	if not session.auth_token or is_judged_elsewhere(session) or judging_host(session.host) ~= module.host then
		return;
	end
	local user = session.username and prosody.bare_sessions[session.username .. "@" .. session.host];
	for _, original in pairs(user and user.sessions or {}) do
		if original.resumption_token == event.stanza.attr.previd then
			session.previd = original.resumption_token;
			return resume(session, original);
		end
	end
end

local function judge_resumptions_of(host)
	for _, version in ipairs({ "urn:xmpp:sm:2", "urn:xmpp:sm:3" }) do
		module:context(host):hook("stanza/" .. version .. ":resume", judge_resumption, 10);
	end
end

if sessionmanager.update_session then
	for host in pairs(prosody.hosts) do
		judge_resumptions_of(host);
	end
	module:hook_global("host-activated", judge_resumptions_of);
	module:hook_global("c2s-session-updated", function (event)
		if event.from_session.jitsi_verifier_resumes == module.host then
			copy_claims(event.session, event.from_session);
			event.session._jitsi_auth_done = true;
		end
	end);
end

-- Some of Jitsi's modules clean up on this event before a session leaves its rooms.
module:hook("pre-resource-unbind", function (event)
	local session = event.session;
	fire("jitsi-pre-session-unbind", { jid = session.full_jid; session = session; error = event.error });
end, 11);

module:provides("auth", { get_sasl_handler = new_handler });
