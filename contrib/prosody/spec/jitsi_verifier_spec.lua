-- Run from this folder's parent: busted --lua=lua5.4 (needs Prosody's own libraries).
package.path = "/usr/lib/prosody/?.lua;" .. package.path;
package.cpath = "/usr/lib/prosody/?.so;" .. package.cpath;

local json = require "util.json";
local verifier = dofile("jitsi_verifier.lib.lua");

local ALLOWED = [[{"allowed": true, "code": null, "affiliation": "owner", "tenant_mismatch": false,
	"session": {"jitsi_meet_room": "board", "jitsi_meet_context_user": {"id": "u", "name": null}}}]];

local function base64url(text)
	local encoded = require "util.encodings".base64.encode(text);
	return (encoded:gsub("[+/=]", { ["+"] = "-"; ["/"] = "_"; ["="] = "" }));
end

describe("parameters", function ()
	it("returns a table for every query", function ()
		assert.same({}, verifier.parameters(nil));
		assert.same({}, verifier.parameters(""));
		assert.same({}, verifier.parameters("foo"));
		assert.equal("b", verifier.parameters("a=b").a);
		assert.equal("c", verifier.parameters("a=b&a=c").a);
	end);
end);

describe("token_of", function ()
	local function token(header, query)
		return verifier.token_of({ authorization = header }, verifier.parameters(query));
	end

	it("reads the Authorization header", function ()
		assert.equal("a.b.c", token("Bearer a.b.c"));
		assert.equal("a.b.c", token("bearer  a.b.c "));
	end);

	it("prefers the query, also an empty parameter", function ()
		assert.equal("x.y.z", token("Bearer a.b.c", "token=x.y.z"));
		assert.equal("", token("Bearer a.b.c", "token="));
	end);

	it("ignores other schemes and doubled tokens", function ()
		assert.is_nil(token(nil));
		assert.is_nil(token("Basic dTpw"));
		assert.is_nil(token("Bearer"));
		assert.is_nil(token("Bearer a,Bearer b"));
	end);
end);

describe("encode_request", function ()
	local function encoded(request)
		return json.decode(verifier.encode_request(request));
	end

	it("writes null for an absent value", function ()
		local request = encoded({ host = "meet" });
		assert.equal(json.null, request.token);
		assert.equal(json.null, request.room_jid);
		assert.equal("meet", request.host);
		assert.is_false(request.room_requires_authentication);
		assert.is_false(request.creates_room);
		assert.is_false(request.admitted_before);
	end);

	it("writes each character so that it is read again, whether it needs an escape or not", function ()
		for byte = 0, 127 do
			local text = "a" .. string.char(byte) .. "b";
			assert.equal(text, encoded({ token = text }).token);
		end
		assert.equal("", encoded({ query_prefix = "" }).query_prefix);
	end);

	it("writes the flags that are set", function ()
		for _, name in ipairs({ "room_requires_authentication", "creates_room", "admitted_before",
			"authenticated_elsewhere" }) do
			local request = encoded({ [name] = true });
			for key, value in pairs(request) do
				assert.equal(key == name or (type(value) ~= "boolean" and json.null), value);
			end
		end
	end);

	it("writes UTF-8 for any bytes of a client", function ()
		assert.equal("?a?\0\"", encoded({ token = "\255a\254\0\"" }).token);
		assert.equal("п", encoded({ query_prefix = "п" }).query_prefix);
	end);

	it("writes what the verifier reads, whatever a client sends", function ()
		local room = ("[{,"):rep(341) .. '"\\\1@muc';
		local body = verifier.encode_request({ token = ("["):rep(10000), room_jid = room,
			query_prefix = ("x"):rep(1024) });
		local request = json.decode(body);
		assert.equal(room, request.room_jid);
		assert.equal(("?"):rep(10000), request.token);
		assert.equal("?", request.query_prefix);
		assert.is_true(#body < 32768 and select(2, body:gsub('[",%[{]', "")) < 64);
	end);
end);

describe("read_verdict", function ()
	it("reads an allowed token, without nulls", function ()
		local verdict = verifier.read_verdict(ALLOWED);
		assert.is_true(verdict.allowed);
		assert.equal("owner", verdict.affiliation);
		assert.same({ jitsi_meet_room = "board"; jitsi_meet_context_user = { id = "u" } }, verdict.session);
	end);

	it("keeps lists and objects, without nulls in them", function ()
		local verdict = verifier.read_verdict('{"allowed": true, "session": {"jitsi_meet_context_user":'
			.. '{"list": [null, 1, {"x": null, "y": [null]}], "none": [], "empty": {}, "no": false}}}');
		local user = verdict.session.jitsi_meet_context_user;
		assert.same({ list = { 1, { y = {} } }; none = {}; empty = {}; no = false }, user);
		assert.is_nil(getmetatable(user.none));
	end);

	it("ignores unknown members", function ()
		local verdict = verifier.read_verdict('{"allowed": true, "session": {"type": "s2sin", "username": "x"}}');
		assert.same({}, verdict.session);
	end);

	it("reads a refusal", function ()
		local verdict = verifier.read_verdict(
			'{"allowed": false, "code": "room-mismatch", "error": "room-mismatch", "reason": "no"}');
		assert.same({ allowed = false; code = "room-mismatch"; condition = "room-mismatch"; reason = "no" },
			verdict);
	end);

	it("makes words and text that are valid in XML and in a log", function ()
		local plain = { allowed = false; code = "not-allowed"; condition = "not-allowed";
			reason = "Access denied" };
		for _, members in ipairs({ "", ', "code": null, "error": null, "reason": null',
			', "code": "a b", "error": "<x/>", "reason": "\\u0007"', ', "code": 1, "error": [], "reason": {}' }) do
			assert.same(plain, verifier.read_verdict('{"allowed": false' .. members .. "}"));
		end
	end);

	local NO_VERDICTS = {
		"", "null", "[]", "1", "true", '"x"', "{}", "{", "<html>", ALLOWED .. "x", "[" , "\255",
		'{"allowed": null}', '{"allowed": "true"}', '{"allowed": 1}',
		'{"allowed": true, "session": [1]}', '{"allowed": true, "session": "x"}',
		'{"allowed": true, "affiliation": "admin"}', '{"allowed": true, "affiliation": {}}',
		'{"allowed": true, "session": {"jitsi_meet_context_user": {"__hash": ["moderator", true]}}}',
		'{"allowed": true, "session": {"jitsi_meet_context_user": {"__array" : 1}}}',
	};
	for _, body in ipairs(NO_VERDICTS) do
		it("rejects: " .. body, function ()
			local verdict, err = verifier.read_verdict(body);
			assert.is_nil(verdict);
			assert.equal("answer-malformed", err);
		end);
	end

	it("rejects nil", function ()
		assert.is_nil(verifier.read_verdict(nil));
		assert.is_nil(verifier.read_verdict(false));
	end);

	it("allows the names that Prosody misreads as values", function ()
		local verdict = verifier.read_verdict('{"allowed": true, "session": {"jitsi_meet_room": "\\"__hash\\""}}');
		assert.equal('"__hash"', verdict.session.jitsi_meet_room);
		verdict = verifier.read_verdict('{"allowed": true, "session": {"jitsi_meet_room": "__array"}}');
		assert.equal("__array", verdict.session.jitsi_meet_room);
	end);
end);

describe("claims_of", function ()
	it("reads the middle segment", function ()
		local token = "h." .. base64url('{"sub": "meet", "context": null, "list": [null, 1]}') .. ".s";
		assert.same({ sub = "meet"; list = { 1 } }, verifier.claims_of(token));
	end);

	it("rejects other texts", function ()
		local misread = "a." .. base64url('{"__hash": []}') .. ".c";
		for _, token in ipairs({ "", "a", "a.b", "a.!.c", "a.e30.b.c", misread }) do
			local claims, err = verifier.claims_of(token);
			assert.is_nil(claims);
			assert.equal("claim-malformed", err);
		end
	end);
end);

describe("claims_from_session", function ()
	it("returns the stored claims and no empty context", function ()
		assert.same({ sub = "meet"; room = "*" },
			verifier.claims_from_session({ jitsi_meet_domain = "meet"; jitsi_meet_room = "*"; type = "c2s" }));
		assert.same({ context = { user = { id = 1 } } },
			verifier.claims_from_session({ jitsi_meet_context_user = { id = 1 } }));
	end);
end);

describe("a refusal", function ()
	it("has the SASL condition of Jitsi's module", function ()
		assert.equal("not-allowed", verifier.sasl_condition(verifier.refusal("token-expired", "x")));
		assert.equal("not-authorized",
			verifier.sasl_condition(verifier.refusal("subject-missing", "x", "not-authorized")));
		assert.equal("not-allowed", verifier.sasl_condition(verifier.refusal("x", "x", "invalid-regex")));
	end);

	it("is temporary if it says nothing about the token", function ()
		assert.is_true(verifier.is_temporary(verifier.unavailable()));
		assert.is_true(verifier.is_temporary(verifier.refusal("keys-unavailable", "x")));
		assert.is_false(verifier.is_temporary(verifier.refusal("key-unknown", "x")));
	end);

	local function stanza_error(refusal)
		return { verifier.stanza_error(refusal) };
	end

	it("has a stanza error, and Jitsi's element where Jitsi has one", function ()
		assert.same({ "cancel", "not-allowed" }, stanza_error(verifier.refusal("x", "x")));
		assert.same({ "cancel", "not-allowed" }, stanza_error(verifier.refusal("x", "x", "not-authorized")));
		assert.same({ "cancel", "not-allowed", "invalid-regex" },
			stanza_error(verifier.refusal("x", "x", "invalid-regex")));
		assert.same({ "wait", "remote-server-timeout" }, stanza_error(verifier.unavailable()));
	end);
end);

describe("endpoint", function ()
	it("completes an address", function ()
		for _, path in ipairs({ "", "/", "/v1/verify", "/v1/verify/" }) do
			assert.equal("http://v:8090/v1/verify", verifier.endpoint("http://v:8090" .. path));
		end
		assert.equal("https://v/below/v1/verify", verifier.endpoint("https://v/below"));
	end);

	it("rejects other texts", function ()
		local odd = { "", "v:8090", "ftp://v", "http://", "unix:/run/v", 8090, true,
			"http://v ", "http://v/ ", "http://v/a b", "http://v?a", "http://v/?a", "http://v#a" };
		for _, url in ipairs(odd) do
			local endpoint, err = verifier.endpoint(url);
			assert.is_nil(endpoint);
			assert.equal("url-invalid", err);
		end
	end);

	it("is shown without credentials", function ()
		assert.equal("http://v/v1/verify", verifier.display("http://user:secret@v/v1/verify"));
	end);
end);
