"""The auth requests of ingress-nginx, byte for byte, with the files of ``contrib``.

The controller needs a cluster. Source: its external authentication and ``nginx.tmpl`` (1.x; nginx
writes its own headers first, then the client's).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.support.raw_http import Header
from tests.system.proxies.cases import Case
from tests.system.proxies.programs import HOST

BuildAuthRequest = Callable[[Case], bytes]

CLIENT = "192.0.2.7"
REQUEST_ID = "1d8a5bf0c9f1c1a7a1b5ad3f2f3f8f0e"
REPLACED_BY_NGINX = {
    "x-request-id",
    "host",
    "x-original-url",
    "x-original-method",
    "x-sent-from",
    "x-real-ip",
    "x-forwarded-for",
    "x-auth-request-redirect",
    "content-length",
    "x-forwarded-proto",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "upgrade",
    "expect",
}


def ingress_nginx(case: Case) -> bytes:
    """Return the request of ``auth-url`` with ``auth-request-redirect``."""
    own = [
        ("X-Request-ID", REQUEST_ID),
        ("Host", "jitsi-verifier.jitsi.svc.cluster.local"),
        ("X-Original-URL", f"https://{HOST}{_origin_form(case.target)}"),
        ("X-Original-Method", case.method),
        ("X-Sent-From", "nginx-ingress-controller"),
        ("X-Real-IP", CLIENT),
        ("X-Forwarded-For", CLIENT),
        ("X-Auth-Request-Redirect", "/"),
        ("Connection", "close"),
    ]
    return _head("/auth-url", [*own, *filter(_is_passed_by_nginx, case.headers)])


def _is_passed_by_nginx(header: Header) -> bool:
    return "_" not in header[0] and header[0].lower() not in REPLACED_BY_NGINX


def _origin_form(target: str) -> str:
    """Return a target without scheme and host, as the program sends it."""
    return target.removeprefix(f"http://{HOST}")


def _head(path: str, headers: list[Header]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode()


AUTH_REQUESTS: Mapping[str, BuildAuthRequest] = {"ingress-nginx": ingress_nginx}
