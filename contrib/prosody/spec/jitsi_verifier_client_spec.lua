package.path = "/usr/lib/prosody/?.lua;" .. package.path;
package.cpath = "/usr/lib/prosody/?.so;" .. package.cpath;

local ALLOWED, DENIED = '{"allowed": true}', '{"allowed": false, "code": "token-expired"}';
local KEYLESS = '{"allowed": false, "code": "keys-unavailable"}';

-- Every address answers at once or never. The clock moves only while an address stays silent.
local clock, answers, requests, logged, options;
local ages; -- of a request, in the order in which the client asks for them
package.loaded["util.async"] = { waiter = function () return function () end, function () end; end };
package.loaded["util.time"] = { monotonic = function () return clock; end };
local function send(url, request, callback)
	table.insert(requests, { url = url; request = request });
	local answer = answers[url];
	if answer then callback(answer[1], answer[2]); end
end
package.loaded["net.http"] = {
	destroy_request = function () end;
	request = function (url, request, callback)
		send(url, request, function (code, content) callback(content, code); end);
		return {};
	end;
};
local connection = {
	post = function (url, headers, body, callback)
		send(url, { method = "POST"; headers = headers; body = body; is_reused = true }, callback);
		return function () end, ages and function () return table.remove(ages, 1) or 100; end;
	end;
};
package.loaded["util.timer"] = {
	add_task = function (seconds, callback)
		requests[#requests].seconds = seconds;
		if not answers[requests[#requests].url] then
			repeat
				clock = clock + seconds;
				seconds = callback();
			until not seconds;
		end
	end;
	stop = function () end;
};

local shared;
local function new_module()
	return {
		require = function (_, name)
			return name == "jitsi_verifier_connection" and connection or dofile(name .. ".lib.lua");
		end;
		log = function (_, level, message, ...) table.insert(logged, level .. " " .. message:format(...)); end;
		shared = function (_, path) shared[path] = shared[path] or {}; return shared[path]; end;
		get_option_array = function (_, _, default)
			return type(options.url) == "string" and { options.url } or options.url or default;
		end;
		get_option_number = function (_, _, default) return options.seconds or default; end;
	};
end

local function new_client()
	local module = new_module();
	local environment = setmetatable({ module = module }, { __index = _G });
	return loadfile("jitsi_verifier_client.lib.lua", "t", environment)().new(function () return module; end);
end

local A, B = "http://a/v1/verify", "http://b/v1/verify";

before_each(function ()
	clock, answers, requests, logged, shared = 100, {}, {}, {}, {};
	options, ages = { url = { "http://a", "http://b" } }, nil;
end);

local function requested_urls()
	local urls = {};
	for _, request in ipairs(requests) do table.insert(urls, request.url); end
	requests = {};
	return urls;
end

describe("a client", function ()
	it("sends the documented request", function ()
		options.url, answers["http://127.0.0.1:8090/v1/verify"] = nil, { 200, ALLOWED };
		assert.is_true(new_client():ask({ token = "t" }, "203.0.113.7").allowed);
		local request = requests[1].request;
		assert.equal("POST", request.method);
		assert.equal("application/json", request.headers["Content-Type"]);
		assert.equal("203.0.113.7", request.headers["X-Real-IP"]);
		assert.equal("t", require "util.json".decode(request.body).token);
		assert.equal(5, requests[1].seconds);
	end);

	it("leaves TLS and credentials to net.http", function ()
		for url, is_reused in pairs({ ["http://v:1"] = true; ["https://v"] = false; ["http://u:p@v"] = false }) do
			options.url, answers[url .. "/v1/verify"], requests = url, { 200, ALLOWED }, {};
			assert.is_true(new_client():ask({}).allowed);
			assert.equal(is_reused, requests[1].request.is_reused or false);
		end
	end);

	it("asks the first address that works, and that one first from then on", function ()
		local client = new_client();
		answers[A], answers[B] = { 500, ALLOWED }, { 200, ALLOWED };
		assert.is_true(client:ask({}).allowed);
		assert.same({ A, B }, requested_urls());
		client:ask({});
		assert.same({ B }, requested_urls());
		answers[A], answers[B] = { 200, DENIED }, { 0, "connection refused" };
		assert.is_false(client:ask({}).allowed);
		assert.same({ B, A }, requested_urls());
		client:ask({});
		assert.same({ A }, requested_urls());
	end);

	it("divides its time between the addresses", function ()
		options.url, options.seconds = { "http://a", "http://b", "http://c" }, 6;
		assert.equal("verifier-unavailable", new_client():ask({}).code);
		assert.same({ 2, 2, 2 }, { requests[1].seconds, requests[2].seconds, requests[3].seconds });
		assert.equal(106, clock);
	end);

	it("denies without an answer and logs it once for each address", function ()
		local client = new_client();
		for _ = 1, 3 do
			assert.equal("verifier-unavailable", client:ask({}).code);
		end
		assert.same({ "error http://a/v1/verify gives no verdict: timeout",
			"error http://b/v1/verify gives no verdict: timeout" }, logged);
	end);

	it("logs once that an address is back", function ()
		local client = new_client();
		client:ask({});
		answers[A] = { 200, ALLOWED };
		client:ask({});
		client:ask({});
		assert.equal("info http://a/v1/verify gives verdicts again", logged[3]);
		assert.equal(3, #logged);
	end);

	it("shares with other clients which address works", function ()
		local one, other = new_client(), new_client();
		answers[B] = { 200, ALLOWED };
		one:ask({});
		requested_urls();
		other:ask({});
		assert.same({ B }, requested_urls());
		assert.equal(1, #logged);
	end);

	it("accepts a 503 only for missing keys, then asks the others", function ()
		local client = new_client();
		answers[A], answers[B] = { 503, KEYLESS }, { 503, ALLOWED };
		assert.equal("keys-unavailable", client:ask({}).code);
		assert.same({ "error http://b/v1/verify gives no verdict: status 503" }, logged);
		answers[B] = { 200, ALLOWED };
		assert.is_true(client:ask({}).allowed);
	end);

	it("does not count the time without a connection", function ()
		options.url, ages = "http://a", { 0, 0, 2 };
		assert.equal("verifier-unavailable", new_client():ask({}).code);
		assert.equal(100 + 5 + 5 + 5 + 3, clock);
		clock, ages = 100, { 0, 0, 0, 0, 0, 0, 0, 0 };
		new_client():ask({});
		assert.equal(130, clock);
	end);

	it("leaves each address its share after such a time", function ()
		ages, requests = { 0, 0 }, {};
		new_client():ask({});
		assert.same({ 2.5, 2.5 }, { requests[1].seconds, requests[2].seconds });
	end);

	it("denies everything with bad options and logs no secret", function ()
		options = { url = { "ftp://user:secret@v", 7 }; seconds = -1 };
		assert.equal("verifier-unavailable", new_client():ask({}).code);
		assert.equal(3, #logged);
		assert.is_nil(table.concat(logged):find("secret"));
		options = { url = {} };
		assert.equal("verifier-unavailable", new_client():ask({}).code);
		assert.equal("error jitsi_verifier_url: expected an address, found an empty table", logged[4]);
	end);
end);
