-- Prosody runs modules in an environment of their own; `module` and `prosody` come from there.
std = "lua54"
max_line_length = 110
read_globals = { "module", "prosody" }
files["spec"] = { std = "lua54+busted" }
