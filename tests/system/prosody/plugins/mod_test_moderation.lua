-- For tests only: reads what Jitsi's modules for moderators read, at the moments when these read it. What
-- it has seen at a join is in the session's field `test_moderation`. A room with `waits_for_host` lets
-- guests in after a user with a token, as Jitsi's mod_muc_wait_for_host does.

local announced = {};

module:hook("muc-pre-set-affiliation", function (event)
	announced[event.jid] = event.affiliation;
end);

module:hook("muc-occupant-pre-join", function (event)
	local room, occupant = event.room, event.occupant;
	if not room._data.waits_for_host then
		return;
	end
	local is_host = event.origin.auth_token ~= nil;
	room:set_members_only(not is_host);
	if is_host then
		room._data.waits_for_host = nil;
		occupant.role = room:get_default_role(room:get_affiliation(occupant.bare_jid)) or "participant";
	end
end);

module:hook("muc-occupant-joined", function (event)
	local room, occupant, session = event.room, event.occupant, event.origin;
	session.test_moderation = {
		announced = announced[occupant.bare_jid];
		affiliation = room:get_affiliation(occupant.bare_jid);
		role = room:get_role(occupant.nick);
		authentication = prosody.hosts[session.host].users.name;
		has_features = session.jitsi_meet_context_features ~= nil;
		claimed_moderator = (session.jitsi_meet_context_user or {}).moderator;
	};
end, -2);
