package.path = "/usr/lib/prosody/?.lua;" .. package.path;
package.cpath = "/usr/lib/prosody/?.so;" .. package.cpath;

local ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
local CLOSING = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
local URL = "http://v:8090/v1/verify";

-- Connections are up at once unless `is_down`; a test sends the answers.
-- `room` is the number of bytes that a connection takes at once.
local clock, conns, tasks, outcomes, is_down, room;

local function new_conn(listener)
	local conn = { written = {}; left = {} };
	local socket = {};
	function socket:send(text) -- luacheck: no self
		table.insert(conn.written, text:sub(1, room));
		if #text <= room then return #text; end
		return nil, "timeout", room;
	end
	function conn:socket() return socket; end -- luacheck: no self
	function conn:write(text) table.insert(self.left, text); end
	function conn:close() self:lose("closed"); end
	function conn:lose(reason)
		if not self.is_closed then self.is_closed = true; listener.ondisconnect(self, reason); end
	end
	function conn:receive(text) listener.onincoming(self, text); end
	return conn;
end

local function load_library()
	package.loaded["util.time"] = { monotonic = function () return clock; end };
	package.loaded["util.timer"] = { add_task = function (_, task) table.insert(tasks, task); end };
	package.loaded["net.resolvers.basic"] = { new = function () return {}; end };
	package.loaded["net.connect"] = {
		connect = function (_, listener, _, link)
			if is_down then return listener.onfail(link, "refused"); end
			local conn = new_conn(listener);
			table.insert(conns, conn);
			listener.onattach(conn, link);
			listener.onconnect(conn);
		end;
	};
	return dofile("jitsi_verifier_connection.lib.lua");
end

local library;
before_each(function ()
	clock, conns, tasks, outcomes, is_down, room = 100, {}, {}, {}, false, 100000;
	library = load_library();
end);

local function post(body)
	return library.post(URL, { ["Content-Type"] = "text/plain" }, body or "x", function (code, content)
		table.insert(outcomes, code .. " " .. tostring(content));
	end);
end

local function run_tasks()
	local due = tasks;
	tasks = {};
	for _, task in ipairs(due) do task(); end
end

describe("a connection", function ()
	it("carries a request as HTTP/1.1", function ()
		post("body");
		assert.equal("POST /v1/verify HTTP/1.1\r\nHost: v:8090\r\nContent-Length: 4\r\n"
			.. "Content-Type: text/plain\r\n\r\nbody", conns[1].written[1]);
		conns[1]:receive(ANSWER:sub(1, 30));
		assert.same({}, outcomes);
		conns[1]:receive(ANSWER:sub(31));
		assert.same({ "200 ok" }, outcomes);
	end);

	it("leaves to Prosody what it cannot take at once, and all that follows", function ()
		room = 20;
		post("first");
		assert.equal("POST /v1/verify HTTP", conns[1].written[1]);
		assert.truthy(conns[1].left[1]:find("^/1%.1\r\n.*first$"));
		conns[1]:receive(ANSWER);
		room = 100000;
		post("second");
		assert.equal(1, #conns[1].written);
		assert.truthy(conns[1].left[2]:find("^POST .*second$"));
	end);

	it("is used again after its answer", function ()
		for _ = 1, 3 do
			post();
			conns[1]:receive(ANSWER);
		end
		assert.equal(1, #conns);
		assert.equal(3, #outcomes);
	end);

	it("is not used again if the server closes it, or after a while", function ()
		post();
		conns[1]:receive(CLOSING);
		assert.is_true(conns[1].is_closed);
		post();
		conns[2]:receive(ANSWER);
		clock = clock + 60;
		post();
		assert.equal(3, #conns);
		assert.is_true(conns[2].is_closed);
	end);

	it("sends a request again if the idle connection was closed", function ()
		post();
		conns[1]:receive(ANSWER);
		post("again");
		conns[1]:lose("closed");
		assert.equal(2, #conns);
		conns[2]:receive(ANSWER);
		assert.same({ "200 ok", "200 ok" }, outcomes);
	end);

	it("reports a connection that is lost during an answer", function ()
		post();
		conns[1]:lose("reset");
		post();
		conns[2]:receive(ANSWER);
		post();
		conns[2]:receive("HTTP/1.1 200 OK\r\n");
		conns[2]:lose("reset");
		assert.same({ "0 reset", "200 ok", "0 unexpected-eof" }, outcomes);
		is_down = true;
		post();
		assert.equal("0 refused", outcomes[4]);
	end);

	it("reports an answer that is no HTTP or too long", function ()
		post();
		conns[1]:receive("hello\r\n\r\n");
		post();
		conns[2]:receive("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" .. ("x"):rep(99999));
		assert.equal(2, #outcomes);
		assert.is_true(conns[1].is_closed and conns[2].is_closed);
		assert.same({ "0", "0" }, { outcomes[1]:sub(1, 1), outcomes[2]:sub(1, 1) });
	end);

	it("reports an answer with a length that is none", function ()
		local chunk = ("f"):rep(16);
		for _, rest in ipairs({ "Content-Length: -5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n" .. chunk }) do
			post();
			conns[#conns]:receive("HTTP/1.1 200 OK\r\n" .. rest .. "\r\nx");
			assert.equal("0 answer-malformed", outcomes[#outcomes]);
			assert.is_true(conns[#conns].is_closed);
		end
	end);

	it("is not used again if anything came behind its answer", function ()
		for _, more in ipairs({ ANSWER, "HTTP/1.1 200 OK\r\nX: ", "\r\n", "}" }) do
			post();
			conns[#conns]:receive(ANSWER .. more);
			assert.is_true(conns[#conns].is_closed);
			post();
			conns[#conns]:receive(ANSWER);
			conns[#conns]:receive(more);
			assert.is_true(conns[#conns].is_closed);
		end
		assert.equal(8, #conns);
		assert.equal(8, #outcomes);
	end);

	it("is not used again after an answer that ends with the connection", function ()
		post();
		conns[1]:receive("HTTP/1.1 200 OK\r\nX: -\r\n\r\n");
		conns[1]:lose("closed");
		post();
		assert.equal(2, #conns);
		assert.same({ "200 " }, outcomes);
	end);

	it("is not used again after an answer of unknown length", function ()
		post();
		conns[1]:receive("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
		assert.is_true(conns[1].is_closed);
		assert.same({ "200 ok" }, outcomes);
	end);

	it("calls nothing after a request was cancelled", function ()
		post()();
		assert.is_true(conns[1].is_closed);
		assert.same({}, outcomes);
	end);
end);

describe("many requests", function ()
	it("get no answer of another request", function ()
		for number = 1, 9 do post(tostring(number)); end
		conns[1]:receive(ANSWER .. ANSWER:gsub("ok", "no"));
		assert.same({ "200 ok" }, outcomes);
	end);

	it("wait for a connection that becomes free", function ()
		for number = 1, 20 do post(tostring(number)); end
		assert.equal(8, #conns);
		for _ = 1, 20 do
			for _, conn in ipairs(conns) do
				if #conn.written > (conn.answered or 0) then
					conn.answered = #conn.written;
					conn:receive(ANSWER);
				end
			end
		end
		assert.equal(20, #outcomes);
		assert.equal(8, #conns);
	end);

	it("have their age from the moment at which they have a connection", function ()
		for _ = 1, 8 do post(); end
		local _, age = post();
		clock = clock + 3;
		assert.equal(0, age());
		conns[1]:receive(ANSWER);
		clock = clock + 2;
		assert.equal(2, age());
	end);

	it("wait only while answers come", function ()
		for _ = 1, 10 do post(); end
		local cancel = post();
		cancel();
		run_tasks(); -- Prosody may have been busy in the first period
		assert.equal(8, #conns);
		run_tasks();
		assert.equal(10, #conns);
		for _, conn in ipairs(conns) do conn:receive(ANSWER); end
		assert.equal(10, #outcomes);
	end);
end);
