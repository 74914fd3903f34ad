-- For tests only: a login without token, as Jitsi's web client uses it where no token is needed. A client
-- that resumes its session (`previd`) keeps its user name, because mod_smacks looks for the session there.
-- A session with a token gets the mark of Jitsi's own module for tokens.

local formdecode = require "util.http".formdecode;
local generate_uuid = require "util.uuid".generate;

module:hook_global("websocket-session", function (event)
	event.session.previd = formdecode(event.request.url.query or "").previd;
end);

local function resumed_username(previd)
	for _, session in pairs(prosody.full_sessions) do
		if previd and session.resumption_token == previd then
			return session.username;
		end
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
	self.selected = mechanism;
	return mechanism == "ANONYMOUS";
end

function handler:process()
	self.username = resumed_username(self.session.previd) or generate_uuid();
	self.session._jitsi_auth_done = self.session.auth_token ~= nil or nil;
	return "success";
end

function handler:clean_clone()
	return new_handler(self.session);
end

module:provides("auth", { get_sasl_handler = new_handler });
