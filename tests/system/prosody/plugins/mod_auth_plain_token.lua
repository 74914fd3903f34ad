-- For the benchmark only: the smallest token check inside Prosody, in plain Lua with Prosody's own
-- libraries. It supports HS256 only, and checks no room, no key server and no details of the format.

local generate_uuid = require "util.uuid".generate;
local verify = require "util.jwt".verify;

local verifier = module:require "jitsi_verifier";
local secret = module:get_option_string("app_secret");
local app_id = module:get_option_string("app_id");

local function read_request(event)
	local params = verifier.parameters(event.request.url.query);
	event.session.auth_token = verifier.token_of(event.request.headers, params);
end
module:hook_global("websocket-session", read_request);

local function is_good(claims)
	local now = os.time();
	return claims.exp and now < claims.exp and (not claims.nbf or now >= claims.nbf)
		and claims.iss == app_id and claims.aud and claims.sub and claims.room;
end

local handler = {};
local handler_mt = { __index = handler };

function handler:mechanisms() -- luacheck: no self
	return { ANONYMOUS = true };
end

function handler:select(mechanism)
	self.selected = mechanism;
	return true;
end

function handler:process()
	local ok, claims = verify(secret, self.session.auth_token or "");
	if not ok or not is_good(claims) then
		return "failure", "not-authorized";
	end
	local context = claims.context or {};
	self.session.jitsi_meet_room = claims.room;
	self.session.jitsi_meet_domain = claims.sub;
	self.session.jitsi_meet_context_user = context.user;
	self.username = generate_uuid();
	return "success";
end

local function new_handler(session)
	return setmetatable({ session = session }, handler_mt);
end

function handler:clean_clone()
	return new_handler(self.session);
end

module:provides("auth", { get_sasl_handler = new_handler });
