-- Reads configuration files with Prosody's own code, and prints the options, one JSON line a file.
-- Usage: lua5.4 prosody_oracle.lua FILE… Strings are in hexadecimal, because they may be any bytes.
package.path = "/usr/lib/prosody/?.lua;" .. package.path
package.cpath = "/usr/lib/prosody/?.so;" .. package.cpath
local configmanager = require "core.configmanager"

local function hex(text)
	return (text:gsub(".", function (byte) return ("%02x"):format(byte:byte()) end))
end

local function write(value, depth)
	if depth > 6 then return '"deep"' end
	if type(value) == "string" then
		return '"s' .. hex(value) .. '"'
	elseif type(value) == "table" then
		local parts = {}
		for key, item in pairs(value) do
			local name = math.type(key) == "float" and ("f%a"):format(key) or tostring(key)
			parts[#parts + 1] = '"' .. hex(name) .. '":' .. write(item, depth + 1)
		end
		return "{" .. table.concat(parts, ",") .. "}"
	elseif type(value) == "boolean" then
		return tostring(value)
	elseif math.type(value) == "integer" then
		return ('"i%d"'):format(value)
	elseif type(value) == "number" then
		return ('"f%a"'):format(value)
	end
	return '"?' .. type(value) .. '"'
end

for _, file in ipairs(arg) do
	local ok, kind, message = configmanager.load(file, "lua")
	if ok then
		print('{"ok":true,"config":' .. write(configmanager.getconfig(), 0) .. "}")
	else
		local line = tostring(message):match(":(%d+):")
		print(('{"ok":false,"kind":"%s","line":%s}'):format(kind, line or "null"))
		io.stderr:write(tostring(message), "\n")
	end
end
