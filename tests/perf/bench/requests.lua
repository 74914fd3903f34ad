-- The requests that wrk sends: always the same head, or a head with the next token of a file.
--
-- Arguments: the file with the head. If the head contains @TOKEN@: the file with tokens of one length,
-- one in each line; the number of the first token; the number of tokens; and "once" or "again". With
-- "once", requests after the last token contain the word "exhausted" as token, which is denied.

local before, after, tokens, first, count, again
local sent = 0

local function rewind()
    tokens:seek("set", 0)
    local length = #tokens:read("*l") + 1
    tokens:seek("set", first * length)
end

function init(args)
    local head = assert(io.open(args[1], "rb")):read("*a")
    before, after = head:match("^(.-)@TOKEN@(.*)$")
    if not before then
        before = head
        return
    end
    tokens = assert(io.open(args[2], "rb"))
    first, count, again = tonumber(args[3]), tonumber(args[4]), args[5] == "again"
    rewind()
end

function request()
    if not tokens then
        return before
    end
    if sent == count then
        if not again then
            return before .. "exhausted" .. after
        end
        rewind()
        sent = 0
    end
    sent = sent + 1
    return before .. tokens:read("*l") .. after
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "seconds": %f, "refused": %d, "broken": %d, "p50": %f, "p99": %f}\n',
        summary.requests, summary.duration / 1e6, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
