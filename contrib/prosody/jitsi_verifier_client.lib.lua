-- Sends requests to the verifier without blocking Prosody. This file knows HTTP, time limits and which
-- address answered last. It knows nothing about sessions, rooms and the meaning of an answer.

local async = require "util.async";
local http = require "net.http";
local timer = require "util.timer";
local monotonic = require "util.time".monotonic;

local verifier = module:require "jitsi_verifier";
local connection = module:require "jitsi_verifier_connection";

local ANSWER_BYTES = 64 * 1024;
local DEFAULT_URL = "http://127.0.0.1:8090";
local DEFAULT_SECONDS = 5;
local MOST_SECONDS = 30; -- of one request, together with its wait for a connection
local JSON = "application/json";

-- Sends a POST by net.http, which knows TLS and credentials. Returns a function that cancels it.
local function post_once(url, headers, body, callback)
	local options = { method = "POST"; headers = headers; body = body };
	local request = http.request(url, options, function (content, code)
		callback(code, content);
	end);
	if request then
		request.body_size_limit = ANSWER_BYTES;
	end
	return function ()
		if request then
			http.destroy_request(request);
		end
	end;
end

-- Sends a POST and waits for the answer. Neither way has a timeout, and a cancelled request never calls
-- back. So the answer or the timer ends the wait, whichever comes first, and only once. The time of a
-- request that waits for a connection has not begun: if many clients come at once, Prosody is busy, and the
-- verifier answers as quickly as ever.
local function post(url, headers, body, seconds)
	local wait, done = async.waiter(1, true);
	local outcome;
	local function finish(code, content)
		if not outcome then
			outcome = { code = code; content = content };
			done();
		end
	end
	local send = url:find("^http://[^@]*$") and connection.post or post_once;
	local latest = monotonic() + MOST_SECONDS;
	local cancel, age = send(url, headers, body, finish);
	local task = timer.add_task(seconds, function ()
		local left = seconds - (age and age() or seconds);
		if left > 0 and monotonic() < latest then
			return left; -- calls this function again
		end
		cancel();
		finish(0, "timeout");
	end);
	wait();
	timer.stop(task);
	return outcome.code, outcome.content;
end

-- Asks one address. The verifier answers 200 for every verdict, and 503 if it cannot get the keys now.
local function ask_one(url, headers, body, seconds)
	local code, content = post(url, headers, body, seconds);
	if code == 0 then
		return nil, verifier.to_text(content, "connection failed");
	elseif code ~= 200 and code ~= 503 then
		return nil, "status " .. tostring(code);
	end
	local verdict, err = verifier.read_verdict(content);
	if code == 503 and not (verdict and verdict.code == "keys-unavailable") then
		return nil, "status 503";
	end
	return verdict, err;
end

local client = {};
local client_mt = { __index = client };

-- Logs one line when an address stops answering and one when it answers again, for any number of
-- requests in between.
function client:note(url, err)
	local was_down = self.shared.down[url];
	if err and not was_down then
		module:log("error", "%s gives no verdict: %s", verifier.display(url), err);
	elseif was_down and not err then
		module:log("info", "%s gives verdicts again", verifier.display(url));
	end
	self.shared.down[url] = err and true or nil;
end

-- Returns the addresses in the order to try: the one that answered last, then the others as configured.
function client:order()
	local order = { self.shared.last };
	for _, url in ipairs(self.urls) do
		if url ~= self.shared.last then
			order[#order + 1] = url;
		end
	end
	return order;
end

-- Always returns a verdict: a denial if no address answers. Call it only where waiting is possible.
-- `ip` is the address of the session's client, for the verifier's log; nil if it is not known.
function client:ask(request, ip)
	local headers = { ["Content-Type"] = JSON; ["Accept"] = JSON; ["X-Real-IP"] = ip };
	local body, deadline = verifier.encode_request(request), monotonic() + self.seconds;
	local order, unsure = self:order(), nil;
	for position, url in ipairs(order) do
		-- Each address gets an equal share of the time that is left, so that one silent address
		-- cannot use up the time of the others.
		local left = (deadline - monotonic()) / (#order - position + 1);
		local seconds = math.max(left, self.seconds / #order); -- the wait for a connection may have used more
		local verdict, err = ask_one(url, headers, body, seconds);
		self:note(url, err);
		if verdict and verdict.code ~= "keys-unavailable" then
			self.shared.last = url;
			return verdict;
		end
		unsure = unsure or verdict;
	end
	return unsure or verifier.unavailable();
end

local function read_urls(configured)
	local urls = {};
	if #configured == 0 then
		module:log("error", "jitsi_verifier_url: expected an address, found an empty table");
	end
	for _, item in ipairs(configured) do
		local url = verifier.endpoint(item);
		if url then
			urls[#urls + 1] = url;
		else
			module:log("error", "jitsi_verifier_url: expected http:// or https:// addresses, found %q",
				verifier.display(tostring(item)));
		end
	end
	return urls;
end

-- Returns a new client. `options_for` returns, for an option's name, the module or the module's view of
-- another host that has this option. A bad option is an error in the log, and then every request is
-- denied. A bad option never prevents the module from loading, because without it rooms would be open.
local function new(options_for)
	local configured = options_for("jitsi_verifier_url"):get_option_array("jitsi_verifier_url", { DEFAULT_URL });
	local urls = read_urls(configured);
	local seconds = options_for("jitsi_verifier_timeout"):get_option_number("jitsi_verifier_timeout",
		DEFAULT_SECONDS);
	if not seconds or seconds <= 0 then
		module:log("error", "jitsi_verifier_timeout: expected seconds above 0; using %d", DEFAULT_SECONDS);
		seconds = DEFAULT_SECONDS;
	end
	-- All hosts with the same addresses share the knowledge which address works.
	local shared = module:shared("/*/jitsi_verifier/" .. table.concat(urls, " "));
	shared.down = shared.down or {};
	return setmetatable({ urls = urls; seconds = seconds; shared = shared }, client_mt);
end

return { new = new };
