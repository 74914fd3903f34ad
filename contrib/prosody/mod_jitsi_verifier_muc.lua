-- For the MUC component of Jitsi Meet: the verifier judges every join, and the token's affiliation is
-- set before the first presence. This module knows stanzas, rooms and exempt users. Of a token it knows
-- only that it exists.
--
-- mod_muc looks up the nick before it fires muc-occupant-pre-join. Waiting in that hook would let two
-- users in under one nick. So this module asks when the presence arrives, before mod_muc sees it
-- (priority -2). The steps, in order:
--
--   presence/full, 10             asks the verifier; keeps the result as a pass for this stanza
--   muc-room-pre-create, 99       admits a stanza only with a pass for this room; does not wait
--   muc-occupant-pre-join, 99     the same, for a room that exists
--   muc-occupant-pre-join, -3.5   sets the token's affiliation and role
--   muc-occupant-session-new      notes that the session was inside the room

local async = require "util.async";
local config = require "core.configmanager";
local jid = require "util.jid";
local set = require "util.set";
local st = require "util.stanza";

local verifier = module:require "jitsi_verifier";
local new_client = module:require "jitsi_verifier_client".new;
local muc = module:depends "muc";

local XMLNS_MUC = "http://jabber.org/protocol/muc";
local XMLNS_JITSI = "http://jitsi.org/jitmeet";

local verifier_host = module.host:match("^[^.]+%.(.+)$") or module.host;

-- Returns the module or the VirtualHost's context that has the option. A component does not inherit
-- its VirtualHost's options: its own options come first, then the host's.
local function options_for(name)
	if config.rawget(module.host, name) ~= nil then
		return module;
	end
	return module:context(verifier_host);
end

-- Returns addresses as stanzas spell them.
local function prepped(addresses)
	local result = set.new();
	for address in addresses do
		result:add(jid.prep(address) or address);
	end
	return result;
end

-- Jitsi's own option is read too, so that the change to this module keeps rooms closed.
local function read_allowlist()
	return prepped(options_for("jitsi_verifier_allowlist"):get_option_set("jitsi_verifier_allowlist",
		module:get_option("token_verification_allowlist", {})));
end

-- Every value except false means true, so that a misspelt value does not open a room.
local function read_moderation()
	local name = "jitsi_verifier_require_token_for_moderation";
	local jitsis = module:get_option_boolean("token_verification_require_token_for_moderation", false);
	return options_for(name):get_option_boolean(name, jitsis) ~= false;
end

-- usermanager.is_admin is deprecated in Prosody 13, and writes a stack trace at each call.
local function read_admins()
	return prepped(module:get_option_inherited_set("admins", {}));
end

-- Returns true or false if an option says whether accounts of other hosts need no token; nil if Jitsi's
-- rule applies: they need one if the verifier compares the domain.
local function read_guest_hosts()
	local name = "jitsi_verifier_allow_guest_hosts";
	if options_for(name):get_option(name) == nil then
		return nil;
	end
	return options_for(name):get_option_boolean(name) == true;
end

local client, request_host, allowlist, admins, guests_may_not_moderate, allow_guest_hosts;
local function configure()
	client = new_client(options_for);
	request_host = options_for("jitsi_verifier_host"):get_option_string("jitsi_verifier_host", verifier_host);
	allowlist, guests_may_not_moderate = read_allowlist(), read_moderation();
	admins, allow_guest_hosts = read_admins(), read_guest_hosts();
end
configure();
module:hook_global("config-reloaded", configure);

-- The passes by stanza. A weak table: a pass ends with its stanza.
local passes = setmetatable({}, { __mode = "k" });

local function is_admin(address)
	return admins:contains(jid.bare(address));
end

local function needs_no_token(address)
	local _, host = jid.split(address);
	return is_admin(address) or allowlist:contains(host) or allowlist:contains(jid.bare(address));
end

local function is_exempt(origin, from)
	return needs_no_token(from)
		or origin.type == "s2sin" -- another Prosody of the deployment has judged them
		or origin == prosody.hosts[origin.host]; -- stanzas of this server's own modules
end

local function is_closed_to_guests(room)
	return room and room._data.allowUnauthenticatedAccess == false or false;
end

-- Returns whether the room does not exist or contains only participants that need no token, such as
-- Jicofo, which opens rooms for others. A conference also runs while all are in its breakout rooms.
local function is_new(room)
	if room and room._data.breakout_rooms_active then
		return false;
	elseif room then
		for _, occupant in room:each_occupant() do
			if not needs_no_token(occupant.bare_jid) then
				return false;
			end
		end
	end
	return true;
end

local function authentication_required()
	return verifier.refusal("authentication-required", "Authentication required",
		"authentication-required");
end

local function refuse(origin, stanza, refusal)
	local error_type, condition, extra = verifier.stanza_error(refusal);
	local reply = st.error_reply(stanza, error_type, condition, refusal.reason);
	if extra then
		reply:tag(extra, { xmlns = XMLNS_JITSI }):up();
	end
	origin.send(reply);
	if refusal.code ~= "verifier-unavailable" then
		module:log("info", "%s may not enter %s: %s", stanza.attr.from, jid.bare(stanza.attr.to), refusal.code);
	end
	return true;
end

-- Returns the pass for an allowed join: what the later hooks need of the verdict.
local function to_pass(room_jid, verdict, room, token)
	return { room_jid = room_jid; affiliation = verdict.affiliation; mismatch = verdict.tenant_mismatch;
		closed = room.closed; may_open = room.new; token = token };
end

-- Returns whether this session was inside the room. A session that a lobby, a password or a taken nick
-- kept out has a pass, but was never inside.
local function was_inside(origin, room_jid)
	local before = (origin.jitsi_verifier_entered or {})[room_jid];
	return before ~= nil and before.inside;
end

-- Returns a pass, or nil and a denial. Jitsi checks a token's times at the login only. So a session that
-- was let into a room can return to it after its token has expired, for example from a breakout room,
-- also if all others have left. An expired token cannot open a new room, because no verdict says
-- whether it may.
local function pass_for_token(origin, room_jid, verdict, room)
	local entered = origin.jitsi_verifier_entered or {};
	local before, inside = entered[room_jid], was_inside(origin, room_jid);
	if verdict.allowed then
		entered[room_jid] = to_pass(room_jid, verdict, room, origin.auth_token);
		origin.jitsi_verifier_entered = entered;
	elseif verdict.code ~= "token-expired" or not before or room.new then
		return nil, verdict;
	elseif before.token ~= origin.auth_token then
		before.affiliation = nil; -- of an earlier token
	end
	entered[room_jid].inside, entered[room_jid].may_open = inside, room.new or inside;
	return entered[room_jid];
end

-- Returns whether a host authenticates its users without the verifier, such as guest.example.org.
local function is_guest_host(name)
	local host = prosody.hosts[name];
	return not (host and host.modules.auth_jitsi_verifier);
end

-- Returns a pass, or nil and a denial. The verifier applies Jitsi's rule to users of other hosts. An
-- option of this module overrides the rule, but not for a room that is closed to guests.
local function pass_for_guest(origin, room_jid, verdict, room)
	if is_guest_host(origin.host) then
		if verdict.code == "token-missing" and allow_guest_hosts then
			verdict = room.closed and authentication_required() or { allowed = true };
		elseif verdict.code == "token-missing" or (verdict.allowed and allow_guest_hosts == false) then
			verdict = verifier.refusal("token-missing", "Room name cannot be matched to the one from token.",
				"room-name-does-not-match");
		end
	end
	if not verdict.allowed then
		return nil, verdict;
	end
	return to_pass(room_jid, {}, room);
end

-- Returns a pass, or nil and a denial. `room` is the room's state for the verifier: closed, new.
local function ask(origin, room_jid, room)
	local verdict = client:ask({
		token = origin.auth_token;
		room_jid = room_jid;
		query_prefix = origin.jitsi_web_query_prefix;
		host = request_host;
		room_requires_authentication = room.closed;
		creates_room = room.new;
		-- A single-use token has let this session in before. The session may go on into a breakout
		-- room or out of the lobby.
		admitted_before = origin.jitsi_verifier_entered ~= nil;
		authenticated_elsewhere = not origin.auth_token and is_guest_host(origin.host);
	}, origin.ip);
	if origin.auth_token then
		return pass_for_token(origin, room_jid, verdict, room);
	end
	return pass_for_guest(origin, room_jid, verdict, room);
end

-- After a Lua error Prosody would send no answer.
local function guarded_ask(...)
	local ok, pass, refusal = pcall(ask, ...);
	if ok then
		return pass, refusal;
	end
	module:log("error", "The verifier could not be asked: a bug in this module");
	return nil, verifier.unavailable();
end

-- Participants in the room send many presences. Only the first one is a join.
local function is_join(stanza, room)
	if stanza.attr.type ~= nil or not stanza:get_child("x", XMLNS_MUC) then
		return false;
	end
	return not (room and room:get_occupant_jid(stanza.attr.from));
end

module:hook("presence/full", function (event)
	local origin, stanza = event.origin, event.stanza;
	local room_jid = jid.bare(stanza.attr.to);
	local room = muc.get_room_from_jid(room_jid);
	if not is_join(stanza, room) or is_exempt(origin, stanza.attr.from) then
		return;
	elseif not async.ready() then
		module:log("warn", "Cannot wait for a verdict on %s; is it missing in jitsi_verifier_allowlist?",
			stanza.attr.from);
		return refuse(origin, stanza, verifier.unavailable());
	end
	local state = {
		closed = is_closed_to_guests(room);
		new = not was_inside(origin, room_jid) and is_new(room);
	};
	local pass, refusal = guarded_ask(origin, room_jid, state);
	if origin.destroyed then
		return true;
	elseif not pass then
		return refuse(origin, stanza, refusal);
	end
	passes[stanza] = pass;
end, 10);

-- The room may have been closed to guests while the verdict was pending.
local function is_closed_meanwhile(room, pass, origin)
	return is_closed_to_guests(room) and not pass.closed and (pass.mismatch or not origin.auth_token);
end

-- All participants may have left the room while the verdict was pending.
local function is_new_meanwhile(room, pass)
	return not pass.may_open and pass.affiliation ~= "owner" and is_new(room);
end

-- Admits a stanza only with a pass for this room, for every way by which a stanza can come here.
local function admit(event)
	local origin, stanza = event.origin, event.stanza;
	if is_exempt(origin, stanza.attr.from) then
		return;
	end
	local pass = passes[stanza];
	if not pass or pass.room_jid ~= event.room.jid then
		return refuse(origin, stanza, verifier.refusal("no-verdict", "Room and token mismatched"));
	elseif is_closed_meanwhile(event.room, pass, origin) then
		return refuse(origin, stanza, authentication_required());
	elseif is_new_meanwhile(event.room, pass) then
		return refuse(origin, stanza, verifier.unavailable());
	end
	origin.jitsi_meet_tenant_mismatch = pass.mismatch or nil;
	-- As Jitsi's own module names it: the conference that the session's claims have to cover, also while
	-- the session is in a breakout room.
	origin.jitsi_meet_verified_room = pass.room_jid;
end
module:hook("muc-room-pre-create", admit, 99);
module:hook("muc-occupant-pre-join", admit, 99);

module:hook("muc-occupant-session-new", function (event)
	local pass = passes[event.stanza];
	if pass then
		pass.inside = true;
	end
end);

-- A user in the lobby gets no affiliation yet, because an affiliation lets a user pass the lobby.
local function is_kept_in_lobby(room, affiliation, stanza)
	if not room:get_members_only() or affiliation ~= "none" then
		return false;
	end
	local password = stanza:get_child("x", XMLNS_MUC):get_child_text("password", XMLNS_MUC);
	return not password or password ~= room:get_password();
end

-- The token that gave each session its affiliation, by room. An affiliation that an owner changes by
-- hand later stays for this meeting, also after a visit to a breakout room.
local affiliated = setmetatable({}, { __mode = "k" });

-- Returns whether this token has given the session its affiliation before.
local function is_affiliated(room, origin)
	return affiliated[room] and affiliated[room][origin] == origin.auth_token;
end

local function note_affiliated(room, origin)
	affiliated[room] = affiliated[room] or setmetatable({}, { __mode = "k" });
	affiliated[room][origin] = origin.auth_token;
end

-- Runs after modules that let some users pass the lobby (-3) and before the lobby itself (-4). Prosody
-- makes the first occupant of a new room its owner; here only a token does.
module:hook("muc-occupant-pre-join", function (event)
	local origin, room, occupant, stanza = event.origin, event.room, event.occupant, event.stanza;
	local pass = passes[stanza];
	local affiliation = pass and (pass.affiliation or (event.is_new_room and "none"));
	local present = room:get_affiliation(occupant.bare_jid) or "none";
	if not affiliation or present == "outcast" or is_kept_in_lobby(room, present, stanza) then
		return;
	elseif pass.affiliation and present ~= "none" and is_affiliated(room, origin) then
		return;
	end
	room:set_affiliation(true, occupant.bare_jid, affiliation);
	note_affiliated(room, origin);
	occupant.role = room:get_default_role(room:get_affiliation(occupant.bare_jid));
end, -3.5);

-- A session resumes with another token (mod_auth_jitsi_verifier). The token has to cover the conference
-- that the session was let into, and each room that the session is in. Returns a denial, or nil.
module:hook_global("jitsi-verifier-session-rooms", function (event)
	local session, resuming = event.session, event.from_session;
	local room_jids = set.new({ session.jitsi_meet_verified_room });
	for room_jid in pairs(session.jitsi_verifier_entered or {}) do
		local room = muc.get_room_from_jid(room_jid);
		if room and room:get_occupant_by_real_jid(session.full_jid) then
			room_jids:add(room_jid);
		end
	end
	for room_jid in room_jids do
		local room = jid.host(room_jid) == module.host and muc.get_room_from_jid(room_jid);
		local verdict = room and client:ask({
			token = resuming.auth_token;
			room_jid = room_jid;
			query_prefix = resuming.jitsi_web_query_prefix;
			host = request_host;
			room_requires_authentication = is_closed_to_guests(room);
		}, resuming.ip);
		if verdict and not verdict.allowed then
			return verdict;
		end
	end
end);

local function keep_guests_from_moderating(event)
	local origin, stanza = event.origin, event.stanza;
	local is_token_user = origin.auth_token and origin.jitsi_meet_domain; -- set by a verified token
	if not guests_may_not_moderate or is_token_user or is_admin(stanza.attr.from) then
		return;
	end
	local text = "Room modification disabled for guests";
	origin.send(st.error_reply(stanza, "cancel", "not-allowed", text));
	return true;
end
-- Before mod_muc (-2).
module:hook("iq-set/bare/http://jabber.org/protocol/muc#owner:query", keep_guests_from_moderating, -1);
module:hook("iq-set/host/http://jabber.org/protocol/muc#owner:query", keep_guests_from_moderating, -1);
