-- HTTP/1.1 requests over connections that stay open. net.http of Prosody 0.12 opens a connection for
-- each request, which costs Prosody's thread more than the rest of a request. A connection carries one
-- request at a time. Its states:
--
--   opening   no conn yet, has an exchange    → busy, or gone
--   busy      the request was written         → idle or busy, or gone
--   idle      in `pool.idle`, no exchange     → busy, or gone
--
-- If many clients come at once, their requests wait for a connection, because a new one costs more than
-- an answer. They wait only while answers come, so that slow answers do not delay others.
--
-- A server may close an idle connection at the moment at which it is used again. Then nothing of an
-- answer arrives, and the request is sent once more over a new connection. This file knows nothing
-- about the meaning of a request.

local connect = require "net.connect".connect;
local new_parser = require "net.http.parser".new;
local new_resolver = require "net.resolvers.basic".new;
local add_task = require "util.timer".add_task;
local parse_url = require "socket.url".parse;
local monotonic = require "util.time".monotonic;

local IDLE_SECONDS = 10; -- less than any server keeps them
local CONNECTIONS = 8; -- from this number on requests wait
local PERIOD_SECONDS = 0.05;
local LIMITS = { body_size_limit = 64 * 1024 };

local listener = {};
local links = {}; -- by Prosody's connection
local pools = {}; -- by URL: idle links and waiting exchanges, the latest last, and two numbers

local function new_pool(url)
	local parsed = parse_url(url);
	return { idle = {}; waiting = {}; count = 0; answers = 0;
		host = parsed.host; port = tonumber(parsed.port) or 80;
		head = "POST " .. parsed.path .. " HTTP/1.1\r\nHost: " .. parsed.authority .. "\r\nContent-Length: " };
end

local function pool_of(url)
	pools[url] = pools[url] or new_pool(url);
	return pools[url];
end

local function open(exchange)
	local link = { exchange = exchange; pool = exchange.pool };
	exchange.link = link;
	exchange.begun = exchange.begun or monotonic();
	exchange.pool.count = exchange.pool.count + 1;
	connect(new_resolver(exchange.pool.host, exchange.pool.port, "tcp"), listener, {}, link);
end

local function finish(exchange, code, content)
	local callback = exchange.callback;
	exchange.callback = nil;
	if callback then
		callback(code, content);
	end
end

local function fail(link, reason)
	local exchange = link.exchange;
	link.exchange = nil;
	if not exchange then
		return;
	elseif link.is_reused and link.received == "" then
		open(exchange);
	else
		finish(exchange, 0, reason);
	end
end

-- Prosody would write when its loop finds the connection writable: two more system calls and a timer.
-- A connection that waits for an answer has nothing to write, so it takes a request at once. If it does
-- not take all, Prosody writes the rest, and from then on each request.
local function write(link, text)
	local sent = 0;
	if not link.is_slow then
		local all, _, some = link.conn:socket():send(text);
		sent = all or some;
	end
	if sent < #text then
		link.is_slow = true;
		link.conn:write(text:sub(sent + 1));
	end
end

local function use(link, exchange)
	link.exchange, exchange.link = exchange, link;
	exchange.begun = exchange.begun or monotonic();
	link.received = "";
	write(link, exchange.text);
end

-- Returns the request that has waited longest, or nil.
local function next_waiting(pool)
	local exchange;
	repeat
		exchange = table.remove(pool.waiting, 1);
	until not exchange or exchange.callback; -- without it, it was cancelled
	return exchange;
end

-- Opens connections for the waiting requests if no answer came for a whole period. Time alone says
-- nothing, because Prosody may have been busy. `answers` is their number at the start of the period.
local function watch(pool, answers)
	pool.is_watched = true;
	add_task(PERIOD_SECONDS, function ()
		pool.is_watched = false;
		local exchange = pool.answers == answers and next_waiting(pool);
		while exchange do
			open(exchange);
			exchange = next_waiting(pool);
		end
		if pool.waiting[1] then
			watch(pool, pool.answers);
		end
	end);
end

local function keep(link)
	local pool, exchange = link.pool, next_waiting(link.pool);
	link.is_reused = true;
	if exchange then
		use(link, exchange);
	elseif #pool.idle < CONNECTIONS then
		link.idle_since = monotonic();
		pool.idle[#pool.idle + 1] = link;
	else
		link.conn:close();
	end
end

local function forget(link)
	for position, other in ipairs(link.pool.idle) do
		if other == link then
			table.remove(link.pool.idle, position);
			return;
		end
	end
end

-- Returns an idle connection, or nil. The latest one is taken first, so that unused ones grow old.
local function take(pool)
	local link = table.remove(pool.idle);
	if link and monotonic() - link.idle_since < IDLE_SECONDS then
		return link;
	end
	while link do
		link.conn:close();
		link = table.remove(pool.idle);
	end
end

-- Returns whether a connection can carry another request. What comes behind an answer would be taken for
-- the answer to the next request.
local function is_reusable(link, packet)
	local connection = (packet.headers.connection or ""):lower();
	local _, head = link.received:find("\r\n\r\n", 1, true);
	return packet.httpversion == "1.1" and not connection:find("close", 1, true)
		and packet.body_length and #link.received == head + packet.body_length;
end

local function on_answer(link, packet)
	local exchange = link.exchange;
	if packet.partial or not exchange then
		return; -- the head only, or data behind the answer
	end
	link.exchange = nil;
	link.pool.answers = link.pool.answers + 1;
	if is_reusable(link, packet) then
		keep(link);
	elseif links[link.conn] then
		link.conn:close();
	end
	finish(exchange, packet.code, packet.body);
end

function listener.onattach(conn, link)
	links[conn], link.conn = link, conn;
	link.parser = new_parser(function (packet) on_answer(link, packet); end, function (reason)
		fail(link, reason);
		conn:close();
	end, "client", function () return LIMITS; end);
end

function listener.ondetach(conn)
	links[conn] = nil;
end

function listener.onconnect(conn)
	local link = links[conn];
	if link.exchange then
		use(link, link.exchange);
	else
		conn:close(); -- cancelled
	end
end

function listener.onincoming(conn, data)
	local link = links[conn];
	if link.exchange then
		link.received = link.received .. data;
		-- Prosody's parser raises an error for lengths below zero and of many digits.
		if not pcall(link.parser.feed, link.parser, data) then
			fail(link, "answer-malformed");
			conn:close();
		end
	else
		conn:close(); -- data that belongs to no request
	end
end

function listener.ondisconnect(conn, reason)
	local link = links[conn];
	links[conn] = nil;
	if link then
		forget(link);
		link.pool.count = link.pool.count - 1;
		if link.exchange then
			link.parser:feed(nil); -- the end of an answer of unknown length
		end
		fail(link, reason or "connection closed");
	end
end

function listener.onfail(link, reason)
	link.pool.count = link.pool.count - 1;
	fail(link, reason or "connection failed");
end

local function write_request(head, headers, body)
	local text = head .. #body;
	for name, value in pairs(headers) do
		text = text .. "\r\n" .. name .. ": " .. value;
	end
	return text .. "\r\n\r\n" .. body;
end

-- Sends a POST to an http: address without credentials. Calls back once with the status and the body, or
-- with 0 and a reason. Returns a function that cancels the request, after which nothing is called; and one
-- that returns for how many seconds the request has had a connection.
local function post(url, headers, body, callback)
	local pool = pool_of(url);
	local exchange = { pool = pool; text = write_request(pool.head, headers, body); callback = callback };
	local link = take(pool);
	if link then
		use(link, exchange);
	elseif pool.count < CONNECTIONS then
		open(exchange);
	else
		pool.waiting[#pool.waiting + 1] = exchange;
		if not pool.is_watched then
			watch(pool, nil); -- the period after the next one is the first that counts
		end
	end
	return function ()
		local current = exchange.link;
		exchange.callback = nil;
		if current and current.exchange == exchange then
			current.exchange = nil;
			if current.conn then
				current.conn:close();
			end
		end
	end, function ()
		return exchange.begun and monotonic() - exchange.begun or 0;
	end;
end

return { post = post };
