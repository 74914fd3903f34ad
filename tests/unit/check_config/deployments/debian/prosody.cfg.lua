-- The main file, in the form of Debian's package.
admins = { }
plugin_paths = { }
modules_enabled = {
	-- Generally required
		"disco"; -- Service discovery
		"roster"; "saslauth"; "tls";
		--"admin_adhoc";
};
modules_disabled = { };
pidfile = "/run/prosody/prosody.pid";
s2s_secure_auth = true
limits = {
  c2s = { rate = "10kb/s"; };
  s2sin = { rate = "30kb/s"; };
}
authentication = "internal_hashed"
log = {
	info = "/var/log/prosody/prosody.log";
	{ levels = { "error" }; to = "syslog"; };
}
certificates = "certs"

VirtualHost "localhost"

-- An included file begins in the global part, though this stands below a host.
Include "conf.d/*.cfg.lua"
