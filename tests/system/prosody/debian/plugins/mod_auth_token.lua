-- In the place of Jitsi's module: every client logs in, so that only the gate can refuse one.
local new_sasl = require "util.sasl".new

module:provides("auth", {
    get_sasl_handler = function()
        return new_sasl(module.host, { anonymous = function() return true end })
    end,
})
