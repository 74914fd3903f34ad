local a <const>, b <close> = "x", nil
local t = { ["k y"] = "v", [1.0] = "one"; "first", nested = { deep = { 1, 2, 3 } } }
do local hidden = "y"; shown = hidden .. t["k y"] end
escapes = "\65\x42\u{43}\z
           D\
E\t\"\'\\\255\u{20AC}"
single = 'it\'s'
long = [[
first newline goes
]]
level = [=[a]]b]=]
numbers = { 0x10, 1e3, 3.0, .5, -7, 0x.8p1, 9007199254740993 }
logic = nil or false or "last"
andor = true and "both" or "none"
compare = "1" == 1
differ = 1 ~= 2
length = #"abc" + #t.nested.deep * 2 - 1
if a == "x" then branch = "then" else branch = "else" end
if nil then elsewhere = 1 elseif a then elsewhere = 2 end
multi, second, third = "m", "s"
emptied = "something"
emptied = nil
ENV_UNSET_VARIABLE_OF_TESTS_IS_AN_OPTION = true;
goto done
::done::
VirtualHost "BÜCHER.example"
    app_id = "books"
