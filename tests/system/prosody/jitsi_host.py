"""A copy of a Debian with what Jitsi's packages write: nginx' site, Prosody's host, web files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.system.prosody.copies import DebianCopy

FILES: Final = Path(__file__).with_name("debian")
HOST: Final = "meet.example.org"
ADDRESS: Final = "192.0.2.1"
"""The host's address in the copy's own network: programs that listen on 127.0.0.1 are not there."""
SECRET: Final = "a-secret-of-jitsi-meet-tokens-0123456789"
PROSODY: Final = f"/etc/prosody/conf.avail/{HOST}.cfg.lua"
SITE: Final = f"/etc/nginx/sites-available/{HOST}.conf"
JICOFO: Final = "/etc/jitsi/jicofo/jicofo.conf"
_PLUGINS: Final = "/usr/share/jitsi-meet/prosody-plugins"
_INDEX: Final = '<!DOCTYPE html><title>Jitsi Meet</title>\n<!--# include virtual="/base.html" -->\n'
_CONFIG: Final = f"var config = {{ hosts: {{ domain: '{HOST}' }} }};\n"
_CERTIFICATE: Final = f"""
cd /etc/jitsi/meet
openssl req -new -newkey rsa:2048 -x509 -nodes -days 30 -subj /CN={HOST} \
    -addext subjectAltName=DNS:{HOST} -keyout {HOST}.key -out {HOST}.crt 2>/dev/null
cp {HOST}.crt /usr/local/share/ca-certificates/
update-ca-certificates >/dev/null
"""
_START: Final = f"""
rm -f /usr/sbin/policy-rc.d # of this machine
mkdir -p /run/systemd/system # so that packages start and stop their services
ip address add {ADDRESS}/32 dev lo
echo '{ADDRESS} {HOST}' >>/etc/hosts
rm -f /etc/nginx/sites-enabled/* /var/log/nginx/* /var/log/prosody/* # of this machine
ln -s {SITE} /etc/nginx/sites-enabled/
ln -s {PROSODY} /etc/prosody/conf.d/
systemctl start nginx prosody jicofo
until curl -so /dev/null http://127.0.0.1:5280/ && curl -so /dev/null http://127.0.0.1:8888/; do
    sleep 0.1
done
"""


def set_up_jitsi(debian: DebianCopy) -> None:
    """Write the files of a Jitsi Meet with tokens, and start its nginx and its Prosody.

    The host has a certificate that its programs trust, as with a public one. No bridge runs.
    Jicofo has a stand-in that answers, and Jitsi's Prosody modules have some that let every client
    in.
    """
    debian.write("/usr/bin/systemctl", (FILES / "systemctl").read_text(), 0o755)
    if not debian.run("command -v hocon || :"):
        debian.write("/usr/local/bin/hocon", (FILES / "hocon").read_text(), 0o755)
    debian.write(SITE, (FILES / f"{HOST}.conf").read_text())
    prosody = (FILES / f"{HOST}.cfg.lua").read_text().replace("@SECRET@", SECRET)
    debian.write(PROSODY, prosody)
    token = (FILES / "plugins" / "mod_auth_token.lua").read_text()
    debian.write(f"{_PLUGINS}/mod_auth_token.lua", token)
    for name in ("token_verification", "token_affiliation", "muc_domain_mapper"):
        debian.write(f"{_PLUGINS}/mod_{name}.lua", "")
    debian.write("/usr/local/bin/jicofo", (FILES / "jicofo").read_text(), 0o755)
    debian.write("/lib/systemd/system/jicofo.service", "[Service]\nExecStart=jicofo\n")
    debian.write(JICOFO, f'jicofo {{\n  xmpp.client.xmpp-domain = "{HOST}"\n}}\n')
    debian.write(f"/etc/jitsi/meet/{HOST}-config.js", _CONFIG)
    for name, text in {"index.html": _INDEX, "base.html": "", "static/404.html": "none"}.items():
        debian.write(f"/usr/share/jitsi-meet/{name}", text)
    debian.write("/usr/share/jitsi-meet/libs/external_api.min.js", "api")
    debian.run(f"mkdir -p /etc/jitsi/meet/jaas{_CERTIFICATE}{_START}")
