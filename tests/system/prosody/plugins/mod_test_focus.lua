-- For tests only: a component in the place of Jicofo. It answers conference requests as Jicofo does
-- without authentication: over XMPP, and over HTTP as /conference-request/v1. Before the answer its
-- user enters the room, which opens the room.

local json = require "util.json";
local st = require "util.stanza";

local XMLNS_FOCUS = "http://jitsi.org/protocol/focus";
local XMLNS_MUC = "http://jabber.org/protocol/muc";

local focus = "focus@" .. module.host;

-- The user has no connection. Without these handlers its stanzas would bounce, and it would leave the room.
local function swallow()
	return true;
end
for _, kind in ipairs({ "presence", "message", "iq" }) do
	module:hook(kind .. "/full", swallow);
end

local function enter(room_jid)
	prosody.core_post_stanza(prosody.hosts[module.host],
		st.presence({ from = focus .. "/focus"; to = room_jid .. "/focus" })
			:tag("x", { xmlns = XMLNS_MUC }):up());
end

module:hook("iq-set/host/" .. XMLNS_FOCUS .. ":conference", function (event)
	local origin, stanza = event.origin, event.stanza;
	local room_jid = stanza:get_child("conference", XMLNS_FOCUS).attr.room;
	enter(room_jid);
	origin.send(st.reply(stanza)
		:tag("conference", { xmlns = XMLNS_FOCUS; room = room_jid; ready = "true"; focusjid = focus })
		:tag("property", { name = "authentication"; value = "false" }));
	return true;
end);

local function answer_post(event)
	local room_jid = json.decode(event.request.body).room;
	enter(room_jid);
	event.response.headers.content_type = "application/json";
	return json.encode({ room = room_jid; ready = true; focusJid = focus;
		properties = { authentication = "false" } });
end

module:depends("http");
module:provides("http", {
	default_path = "/conference-request";
	route = { ["POST /v1"] = answer_post };
});
