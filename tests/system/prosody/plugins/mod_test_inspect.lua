-- For tests only: shows sessions and rooms over HTTP, and handles the events of a login as Jitsi's
-- modules do. The `room` parameter of the client's connection selects what the handlers do.

local formdecode = require "util.http".formdecode;
local json = require "util.json";
local st = require "util.stanza";

local FIELDS = {
	"auth_token", "username", "host", "previd", "customusername", "user_agent_header", "public_key",
	"jitsi_web_query_room", "jitsi_web_query_prefix", "jitsi_meet_room", "jitsi_meet_domain",
	"jitsi_meet_str_tenant", "jitsi_meet_auth_issuer", "jitsi_meet_context_user",
	"jitsi_meet_context_group", "jitsi_meet_context_features", "jitsi_meet_context_room",
	"jitsi_meet_tenant_mismatch", "_jitsi_auth_done", "test_events", "test_claims", "resumption_token",
	"test_moderation",
};

local function record(session, name)
	session.test_events = session.test_events or {};
	table.insert(session.test_events, name);
	module:log("info", "heard %s of %s", name, session.jitsi_web_query_room);
end

module:hook_global("pre-jitsi-authentication-fetch-key", function (session)
	record(session, "fetch-key");
	local case = session.jitsi_web_query_room;
	if case == "early-refusal" then
		return { res = false; error = "not-allowed"; reason = "refused early" };
	elseif case == "odd-refusal" then
		return { res = false; error = "<x>"; reason = "\0" };
	elseif case == "broken-handler" then
		error("no way with " .. session.auth_token);
	elseif case == "wants-context" then
		session.contextRequired = true;
	end
end);

module:hook_global("jitsi-authentication-token-verified", function (event)
	record(event.session, "verified");
	event.session.test_claims = event.claims;
	if event.session.jitsi_web_query_room == "closing" then
		event.session:close();
	end
end);

module:hook_global("jitsi-access-ban-check", function (session)
	record(session, "ban-check");
	if session.jitsi_web_query_room == "banned" then
		return false;
	end
end);

module:hook_global("pre-jitsi-authentication", function (session)
	record(session, "pre");
	if session.jitsi_web_query_room == "named" then
		return "chosen-name";
	elseif session.jitsi_web_query_room == "badly-named" then
		return true;
	end
end);

module:hook_global("post-jitsi-authentication", function (session)
	record(session, "post");
	if session.jitsi_web_query_room == "late-refusal" then
		return { res = false; error = "not-allowed"; reason = "refused late" };
	end
end);

module:hook_global("jitsi-pre-session-unbind", function (event)
	module:log("info", "unbound: %s", event.jid);
end);

-- As Jitsi's own module for tokens does, also for sessions of other hosts.
module:hook_global("c2s-session-updated", function (event)
	local session, from = event.session, event.from_session;
	if from.auth_token and from.host == module.host and not session._jitsi_auth_done then
		session:close();
	end
end, 1);

local function parameters(event)
	return formdecode(event.request.url.query);
end

local function reply_json(event, value)
	event.response.headers.content_type = "application/json";
	return json.encode(value);
end

local function show_session(event)
	local session = prosody.full_sessions[parameters(event).jid];
	if not session then
		return 404;
	end
	local shown = {};
	for _, field in ipairs(FIELDS) do
		shown[field] = session[field];
	end
	return reply_json(event, shown);
end

local function find_room(room_jid)
	local muc = prosody.hosts[room_jid:match("@(.+)$")].modules.muc;
	return muc.get_room_from_jid(room_jid), muc;
end

local function show_room(event)
	local room = find_room(parameters(event).jid);
	if not room then
		return 404;
	end
	local affiliations = {};
	for jid, affiliation in room:each_affiliation() do
		affiliations[jid] = affiliation;
	end
	return reply_json(event, { affiliations = affiliations });
end

-- Acts like a module that redirects joins after the decision.
local function redirect(room_jid, target)
	local host = prosody.hosts[room_jid:match("@(.+)$")];
	host.events.add_handler("presence/full", function (event)
		if event.stanza.attr.to:sub(1, #room_jid + 1) == room_jid .. "/" then
			event.stanza.attr.to = target .. "/redirected";
		end
	end, 5);
end

local function prepare_room(event)
	local params = parameters(event);
	local room, muc = find_room(params.jid);
	room = room or muc.create_room(params.jid);
	room:set_persistent(not params.ends);
	if params.breakout then room._data.breakout_rooms_active = true; end
	if params.waits then room._data.waits_for_host = true; end
	if params.lobby then room:set_members_only(true); end
	if params.password then room:set_password(params.password); end
	if params.redirect then redirect(params.jid, params.redirect); end
	if params.closed then room._data.allowUnauthenticatedAccess = false; end
	if params.of then room:set_affiliation(true, params.of, params.affiliation); end
	return "done";
end

-- Sends a presence as another part of the server does, where the handler cannot wait. Responds with the
-- outcome: "joined", or the conditions of errors.
local function inject(event)
	local params, outcome = parameters(event), {};
	local host = prosody.hosts[params.to:match("@([^/]+)")];
	local origin = { type = params.type; host = "elsewhere.test"; send = function (stanza)
		local _, condition = stanza:get_error();
		table.insert(outcome, condition or stanza.name);
	end };
	if params.type == "module" then
		origin = prosody.hosts["hs.test"];
	end
	local stanza = st.presence({ from = params.from; to = params.to })
		:tag("x", { xmlns = "http://jabber.org/protocol/muc" }):up();
	local function joined()
		table.insert(outcome, "joined");
	end
	module:add_timer(0, function ()
		host.events.add_handler("muc-occupant-joined", joined);
		local name = params.to:find("/") and "presence/full" or "presence/bare";
		host.events.fire_event(name, { origin = origin; stanza = stanza });
		host.events.remove_handler("muc-occupant-joined", joined);
		event.response:send(json.encode(outcome));
	end);
	return true;
end

module:provides("http", {
	default_path = "/inspect";
	route = {
		["GET /session"] = show_session;
		["GET /room"] = show_room;
		["POST /room"] = prepare_room;
		["POST /inject"] = inject;
	};
});
