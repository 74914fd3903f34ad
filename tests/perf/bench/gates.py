"""nginx and HAProxy in front of a page: without a gate, with auth requests, with their own checks.

The configurations are files in ``proxies/``; each @NAME@ in them is replaced. In all of them nginx
writes one log line for each page, with the same fields.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.perf.bench.issuers import AUDIENCE, ISSUER, SECRET, Issuer
from tests.perf.bench.servers import Server, Servers
from tests.support.paths import ROOT
from tests.support.processes import accepts, free_port

_PROXIES: Final = Path(__file__).with_name("proxies")
_CONTRIB: Final = ROOT / "contrib" / "nginx"
_MODULES: Final = "/usr/lib/nginx/modules"
_CACHE: Final = "proxy_cache_path {} keys_zone=decisions:16m inactive=60s;"
_PAGE: Final = "<!DOCTYPE html><title>Jitsi Meet</title>".ljust(1024)
_SHIPPED_LOG: Final = "access_log /var/log/nginx/access.log jitsi_verifier;"


@dataclass(frozen=True, slots=True)
class Tuning:
    """The settings of nginx that the documents recommend for speed; Debian's nginx has neither.

    Attributes:
        buffers: Whether nginx writes its log in blocks.
        compiles: Whether nginx compiles regular expressions to machine code.
    """

    buffers: bool = False
    compiles: bool = False

    def access_log(self, file: str, log_format: str) -> str:
        """Return nginx' directive."""
        buffer = " buffer=32k flush=1s" if self.buffers else ""
        return f"access_log {file} {log_format}{buffer};"


UNTUNED: Final = Tuning()


def page(servers: Servers, tuning: Tuning = UNTUNED) -> Server:
    """Start nginx with a page and no gate."""
    return _nginx(servers, {}, tuning)


def auth_request(
    servers: Servers, address: str, tuning: Tuning = UNTUNED, *, cached: bool = False
) -> Server:
    """Start nginx with an auth request in front of the page.

    Args:
        servers: Starts and stops it.
        address: The address of the auth server, as nginx writes it.
        tuning: The settings of nginx.
        cached: Whether nginx caches the answers.
    """
    upstream = f"upstream sidecar {{ server {address}; keepalive 64; keepalive_requests 1000000; }}"
    cache = (_PROXIES / "cache.conf").read_text() if cached else ""
    cache_path = _CACHE.format(servers.folder_in_memory()) if cached else ""
    server = (_PROXIES / "auth_request.conf").read_text().replace("@CACHE@", cache)
    return _nginx(servers, {"HTTP": f"{cache_path}\n{upstream}", "SERVER": server}, tuning)


def contrib(servers: Servers, address: str, tuning: Tuning = UNTUNED) -> Server:
    """Start nginx with the files of ``contrib/nginx``.

    Only addresses, folders, the tuning and the rate limit for each client address differ, because
    the whole load comes from one address.
    """
    folder = servers.new_folder()
    substitutions = {
        _SHIPPED_LOG: tuning.access_log(f"{folder}/access.log", "jitsi_verifier"),
        "127.0.0.1:8090": address,
        "/etc/nginx/jitsi-verifier": str(folder / "jitsi-verifier"),
        "/var/log/nginx": str(folder),
        "/run/jitsi-verifier-nginx": str(servers.folder_in_memory()),
        "rate=500r/s": "rate=1000000r/s",
    }
    shutil.copytree(_CONTRIB, folder / "jitsi-verifier")
    for file in (folder / "jitsi-verifier").glob("*.conf"):
        file.write_text(_substitute(file.read_text(), substitutions))
    files = f"include {folder}/jitsi-verifier/jitsi-verifier"
    server = f'set $prefix "";\n{files}-locations.conf;'
    # The files have the only access_log. A second one would be written, too.
    return _nginx(servers, {"HTTP": f"{files}.conf;", "SERVER": server, "LOG": ""}, tuning)


def njs(servers: Servers, issuer: Issuer, tuning: Tuning = UNTUNED) -> Server:
    """Start nginx with a token check in njs."""
    key = _key(issuer).replace("\n", "\\n")
    script = servers.write_file(f"{issuer.algorithm}/gate.js", _gate_file("gate.js", issuer, key))
    blocks = {
        "MODULES": f"load_module {_MODULES}/ngx_http_js_module.so;",
        "HTTP": f"js_import gate from {script};",
        "SERVER": "auth_request /_auth;\nlocation = /_auth { internal; auth_request off;"
        " js_content gate.auth; }",
    }
    return _nginx(servers, blocks, tuning)


def lua(servers: Servers, issuer: Issuer, tuning: Tuning = UNTUNED) -> Server:
    """Start nginx with a token check in Lua."""
    script = servers.write_file(
        f"{issuer.algorithm}/gate.lua", _gate_file("gate.lua", issuer, _key(issuer))
    )
    modules = (
        f"load_module {_MODULES}/{name}.so;" for name in ("ndk_http_module", "ngx_http_lua_module")
    )
    blocks = {
        "MODULES": "\n".join(modules),
        "HTTP": f'lua_package_path "{script.parent}/?.lua;;";',
        "SERVER": 'access_by_lua_block { require("gate")() }',
    }
    return _nginx(servers, blocks, tuning)


def haproxy(servers: Servers, issuer: Issuer, page: int) -> Server:
    """Start HAProxy with its own token check, in front of the page."""
    port = free_port()
    key = str(servers.write_file("haproxy.pem", issuer.public)) if issuer.private else SECRET
    text = _gate_file("haproxy.cfg", issuer, key)
    text = _substitute(text, {"@PORT@": str(port), "@PAGE@": str(page)})
    program = servers.start(["haproxy", "-db", "-f", servers.write_file(f"{port}.cfg", text)], {})
    program.wait_until(lambda: accepts(port), "HAProxy")
    return Server(port, program.pid)


def answering_204(servers: Servers) -> tuple[str, int]:
    """Start an nginx that answers 204 on a unix socket; return its address and process id."""
    folder = servers.new_folder()
    address = f"unix:{folder}/nginx.sock"
    blocks = {"LISTEN": address, "SERVER": "return 204;", "LOG": "access_log off;"}
    server = _nginx(servers, blocks, UNTUNED)
    return address, server.pid


def _nginx(servers: Servers, blocks: Mapping[str, str], tuning: Tuning) -> Server:
    port, folder = free_port(), servers.new_folder()
    (folder / "web").mkdir()
    (folder / "web" / "index.html").write_text(_PAGE)
    usual = {
        "MODULES": "",
        "PCRE_JIT": "on" if tuning.compiles else "off",
        "HTTP": "",
        "LISTEN": f"127.0.0.1:{port}",
        "LOG": tuning.access_log("@FOLDER@/access.log", "bench"),
        "SERVER": "",
    }
    substitutions = {f"@{name}@": text for name, text in (usual | dict(blocks)).items()}
    text = _substitute((_PROXIES / "nginx.conf").read_text(), substitutions)
    (folder / "nginx.conf").write_text(text.replace("@FOLDER@", str(folder)))
    # nginx that root starts runs its workers as another user, who cannot read this folder.
    user_option = ["-g", "user root;"] if os.geteuid() == 0 else []
    command: list[str | Path] = ["nginx", "-p", folder, "-c", folder / "nginx.conf", *user_option]
    program = servers.start(command, {})
    program.wait_until(lambda: "LISTEN" in blocks or accepts(port), "nginx")
    return Server(port, program.pid)


def _key(issuer: Issuer) -> str:
    return issuer.public.decode() if issuer.private else SECRET


def _gate_file(name: str, issuer: Issuer, key: str) -> str:
    common = {"@ALGORITHM@": issuer.algorithm, "@ISSUER@": ISSUER, "@AUDIENCE@": AUDIENCE}
    return _substitute((_PROXIES / name).read_text(), common | {"@KEY@": key})


def _substitute(text: str, substitutions: Mapping[str, str]) -> str:
    return re.sub(
        "|".join(map(re.escape, substitutions)), lambda match: substitutions[match[0]], text
    )
