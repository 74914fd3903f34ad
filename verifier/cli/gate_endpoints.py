"""Where ``check-gate`` connects: the site, and the ports beside its proxy."""

from __future__ import annotations

import argparse
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from verifier.check_gate import Endpoint, Server
from verifier.cli.arguments import UsageError
from verifier.config import Settings
from verifier.config.addresses import TcpAddress

_PORTS: Final = {Server.BOSH: 5280, Server.BOSH_TLS: 5281, Server.JICOFO: 8888}
_ADMIN_PORT: Final = 8091
_MAX_PORT: Final = 65_535
_CONNECT_TO: Final = re.compile(
    r"(?P<host>[\w.-]*|\[[\w:.]+\]):(?P<port>\d*):(?P<to>[\w.-]*|\[[\w:.]+\]):(?P<to_port>\d*)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Redirection:
    """A value of ``--connect-to``; empty parts match everything, or change nothing."""

    host: str
    port: str
    to: str
    to_port: str


def default_port(scheme: str) -> int:
    """Return the port of a URL of this scheme, ``http`` or ``https``, that names none."""
    return 443 if scheme == "https" else 80


def redirection(value: str) -> Redirection:
    """Return the value of ``--connect-to``.

    Raises:
        ArgumentTypeError: It has another form than HOST:PORT:HOST2:PORT2.
    """
    found = _CONNECT_TO.fullmatch(value)
    if found is None or int(found["to_port"] or 0) > _MAX_PORT:
        raise argparse.ArgumentTypeError("expected HOST:PORT:HOST2:PORT2")
    return Redirection(found["host"], found["port"], found["to"], found["to_port"])


def endpoints(
    options: argparse.Namespace, settings: Settings | None, scheme: str, host: str, port: int
) -> dict[Server, Endpoint]:
    """Return where each server is, or would be.

    Raises:
        UsageError: The file of ``--ca`` cannot be used.
    """
    tls = _tls(options) if scheme == "https" else None
    site = _endpoint(options.connect_to, host, host, port, tls)
    ports = dict(_PORTS)
    if scheme == "https" and port == default_port(scheme):
        ports[Server.PLAIN_HTTP] = default_port("http")
    admin = settings.admin_listen if settings is not None else None
    if not isinstance(admin, TcpAddress) or admin.port:
        ports[Server.ADMIN] = admin.port if isinstance(admin, TcpAddress) else _ADMIN_PORT
    anything = _unverified(ssl.create_default_context())
    beside = {
        server: _endpoint(
            options.connect_to,
            host,
            site.host,
            each,
            anything if server is Server.BOSH_TLS else None,
        )
        for server, each in ports.items()
    }
    return {Server.SITE: site, **beside}


def _endpoint(
    redirections: Sequence[Redirection],
    host: str,
    usual: str,
    port: int,
    tls: ssl.SSLContext | None,
) -> Endpoint:
    for each in redirections:
        if each.host in {"", host} and each.port in {"", str(port)}:
            to, to_port = each.to or usual, int(each.to_port or port)
            return Endpoint(to.strip("[]"), to_port, tls, host.strip("[]"), bool(each.port))
    return Endpoint(usual.strip("[]"), port, tls, host.strip("[]"))


def _tls(options: argparse.Namespace) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=options.ca)
    except (OSError, ssl.SSLError):
        raise UsageError(f"--ca {options.ca}: expected certificates, PEM") from None
    return _unverified(context) if options.insecure else context


def _unverified(context: ssl.SSLContext) -> ssl.SSLContext:
    """Let a context accept every certificate, and return it."""
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
