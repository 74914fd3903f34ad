-- On the MUC component of Jitsi Meet: the verifier judges who enters which room, and what a token
-- says of its bearer's affiliation holds before the first presence.
-- Knows stanzas, rooms and who is exempt; nothing of tokens but that there is one.
--
-- mod_muc has looked up the nick before it fires muc-occupant-pre-join, so waiting there would let
-- two users in under one. The question is asked when the presence arrives, before mod_muc sees it
-- (priority -2); what follows happens without a pause.

local async = require "util.async";
local config = require "core.configmanager";
local is_admin = require "core.usermanager".is_admin;
local jid = require "util.jid";
local st = require "util.stanza";

local verifier = module:require "jitsi_verifier";
local new_client = module:require "jitsi_verifier_client".new;
local muc = module:depends "muc";

local XMLNS_MUC = "http://jabber.org/protocol/muc";
local XMLNS_JITSI = "http://jitsi.org/jitmeet";

local verifier_host = module.host:match("^[^.]+%.(.+)$") or module.host;

-- A component does not inherit its VirtualHost's options: its own come first, then the host's.
local function options_for(name)
	if config.rawget(module.host, name) ~= nil then
		return module;
	end
	return module:context(verifier_host);
end

-- Jitsi's own names too: a change of modules must not open what was closed.
local function read_allowlist()
	return options_for("jitsi_verifier_allowlist"):get_option_set("jitsi_verifier_allowlist",
		module:get_option("token_verification_allowlist", {}));
end

-- What cannot be read as false is true.
local function read_moderation()
	local name = "jitsi_verifier_require_token_for_moderation";
	local jitsis = module:get_option_boolean("token_verification_require_token_for_moderation", false);
	return options_for(name):get_option_boolean(name, jitsis) ~= false;
end

local client, asked_host, allowlist, guests_may_not_moderate;
local function configure()
	client = new_client(options_for);
	asked_host = options_for("jitsi_verifier_host"):get_option_string("jitsi_verifier_host", verifier_host);
	allowlist, guests_may_not_moderate = read_allowlist(), read_moderation();
end
configure();
module:hook_global("config-reloaded", configure);

-- Who may enter, by the stanza that asks for it.
local passes = setmetatable({}, { __mode = "k" });

local function needs_no_token(address)
	local _, host = jid.split(address);
	return is_admin(address, module.host) or allowlist:contains(host) or allowlist:contains(jid.bare(address));
end

local function is_exempt(origin, from)
	return needs_no_token(from)
		or origin.type == "s2sin" -- participants whom another Prosody of the deployment let in
		or origin == prosody.hosts[origin.host]; -- stanzas of this server's own modules
end

local function is_closed_to_guests(room)
	return room and room._data.allowUnauthenticatedAccess == false or false;
end

-- Nobody is in the room yet but those who need no token, such as Jicofo, which opens it for others.
local function is_new(room)
	if room then
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

-- What is kept of a verdict that lets somebody in.
local function to_pass(room_jid, verdict, room)
	return { room_jid = room_jid; affiliation = verdict.affiliation; mismatch = verdict.tenant_mismatch;
		closed = room.closed; may_open = room.new };
end

-- Whoever a lobby, a password or a taken nick has kept out has a pass, but never was in the room.
local function was_inside(origin, room_jid)
	local before = (origin.jitsi_verifier_entered or {})[room_jid];
	return before ~= nil and before.inside;
end

-- Jitsi looks at a token's times at the login only. Whoever was let into a room can return to it,
-- such as from a breakout room, after the token has expired, and when all others have left. Of an
-- expired token nobody says whether it could open a new room.
local function pass_for_token(origin, room_jid, verdict, room)
	local entered = origin.jitsi_verifier_entered or {};
	local before, inside = entered[room_jid], was_inside(origin, room_jid);
	if verdict.allowed then
		entered[room_jid] = to_pass(room_jid, verdict, room);
		origin.jitsi_verifier_entered = entered;
	elseif verdict.code ~= "token-expired" or not before or room.new then
		return nil, verdict;
	end
	entered[room_jid].inside, entered[room_jid].may_open = inside, room.new or inside;
	return entered[room_jid];
end

-- Users of other hosts, such as guest.example.org, came in by those hosts' own authentication: for
-- them having no token is no reason to be refused, unless the room says so.
local function pass_for_guest(origin, room_jid, verdict, room)
	local host = prosody.hosts[origin.host];
	local is_judged_host = host and host.modules.auth_jitsi_verifier;
	if not verdict.allowed then
		if verdict.code ~= "token-missing" or is_judged_host then
			return nil, verdict;
		elseif room.closed then
			return nil, authentication_required();
		end
	end
	return to_pass(room_jid, {}, room);
end

-- A pass, or nil and a refusal. `room` is what the verifier is told of the room.
local function ask(origin, room_jid, room)
	local verdict = client:ask({
		token = origin.auth_token;
		room_jid = room_jid;
		query_prefix = origin.jitsi_web_query_prefix;
		host = asked_host;
		room_requires_authentication = room.closed;
		creates_room = room.new;
		-- A token that lets in once has let this session in: into a breakout room, or out of the lobby.
		admitted_before = origin.jitsi_verifier_entered ~= nil;
	});
	if origin.auth_token then
		return pass_for_token(origin, room_jid, verdict, room);
	end
	return pass_for_guest(origin, room_jid, verdict, room);
end

-- After a Lua error Prosody answers nothing at all.
local function guarded_ask(...)
	local ok, pass, refusal = pcall(ask, ...);
	if ok then
		return pass, refusal;
	end
	module:log("error", "The verifier could not be asked: a mistake of this module");
	return nil, verifier.unavailable();
end

-- Presences of those who are in the room already are many, and no joins.
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
		module:log("warn", "Nothing can wait for a verdict on %s; is it missing in jitsi_verifier_allowlist?",
			stanza.attr.from);
		return refuse(origin, stanza, verifier.unavailable());
	end
	local told = {
		closed = is_closed_to_guests(room);
		new = not was_inside(origin, room_jid) and is_new(room);
	};
	local pass, refusal = guarded_ask(origin, room_jid, told);
	if origin.destroyed then
		return true;
	elseif not pass then
		return refuse(origin, stanza, refusal);
	end
	passes[stanza] = pass;
end, 10);

-- The room may have been closed to guests after the question was asked.
local function is_closed_meanwhile(room, pass, origin)
	return is_closed_to_guests(room) and not pass.closed and (pass.mismatch or not origin.auth_token);
end

-- The room may have been left by all after the question was asked.
local function is_new_meanwhile(room, pass)
	return not pass.may_open and pass.affiliation ~= "owner" and is_new(room);
end

-- Nobody enters without a pass for this room, whichever way the stanza came here.
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
end
module:hook("muc-room-pre-create", admit, 99);
module:hook("muc-occupant-pre-join", admit, 99);

module:hook("muc-occupant-session-new", function (event)
	local pass = passes[event.stanza];
	if pass then
		pass.inside = true;
	end
end);

-- Whom the lobby keeps waiting gets nothing yet, or they would walk past it.
local function is_kept_in_lobby(room, affiliation, stanza)
	if not room:get_members_only() or affiliation ~= "none" then
		return false;
	end
	local password = stanza:get_child("x", XMLNS_MUC):get_child_text("password", XMLNS_MUC);
	return not password or password ~= room:get_password();
end

-- Between modules that open the lobby to some (-3) and the lobby itself (-4). Prosody makes the
-- first occupant the owner of a new room; here only a token does.
module:hook("muc-occupant-pre-join", function (event)
	local room, occupant, stanza = event.room, event.occupant, event.stanza;
	local pass = passes[stanza];
	local affiliation = pass and (pass.affiliation or (event.is_new_room and "none"));
	local present = room:get_affiliation(occupant.bare_jid) or "none";
	if not affiliation or present == "outcast" or is_kept_in_lobby(room, present, stanza) then
		return;
	end
	room:set_affiliation(true, occupant.bare_jid, affiliation);
	occupant.role = room:get_default_role(room:get_affiliation(occupant.bare_jid));
end, -3.5);

local function keep_guests_from_moderating(event)
	local origin, stanza = event.origin, event.stanza;
	local is_token_user = origin.auth_token and origin.jitsi_meet_domain; -- set by a verified token
	if not guests_may_not_moderate or is_token_user or is_admin(stanza.attr.from, module.host) then
		return;
	end
	local text = "Room modification disabled for guests";
	origin.send(st.error_reply(stanza, "cancel", "not-allowed", text));
	return true;
end
-- Before mod_muc (-2).
module:hook("iq-set/bare/http://jabber.org/protocol/muc#owner:query", keep_guests_from_moderating, -1);
module:hook("iq-set/host/http://jabber.org/protocol/muc#owner:query", keep_guests_from_moderating, -1);
