"""Compares how nginx and the service read a target: path, room, tenant and signalling endpoint.

The token is for every room and tenant, so only the grammar of room addresses can deny a request.
nginx must then read each allowed target as the room and the tenant that the service has named.
"""

from __future__ import annotations

import re
from unicodedata import normalize
from urllib.parse import parse_qs, unquote

from tests.support.raw_http import Answer
from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import Site, mint

ANY = mint(room="*", exp=98753496345768)
"""A token for every room of every tenant."""

_SIGNALLING = re.compile(
    r"/(?:([^/?&:'\"]+)/)?(?:(http-bind|xmpp-websocket|_api/room-info)|conference-request/v1(?:/.*)?)"
)
_SIGNALLING_NAME = re.compile("/(http-bind|xmpp-websocket|conference-request/v1|_api/room-info)")
_NO_UTF_8 = re.compile(r"[\udc80-\udcff]")
_EXCLUDED = re.compile(r"""[:?#\[\]@!$&'()*+,;=></"]""")


def with_token(target: str) -> str:
    """Add the token to the query of a target, in front of a fragment."""
    before, sign, fragment = target.partition("#")
    return f"{before}{'&' if '?' in before else '?'}token={ANY}{sign}{fragment}"


def comparable(name: str) -> str:
    """Return a name without the differences between the web client's form and nginx' reading."""
    lowered = normalize("NFKC", name).lower()
    return _EXCLUDED.sub("", normalize("NFKC", lowered))


def decided_names(forwarded: RecordedRequest) -> tuple[str, str]:
    """Return the tenant (empty if there is none) and the room that the service has named."""
    (room,), (tenant,) = forwarded.values("X-Jitsi-Room"), forwarded.values("X-Jitsi-Tenant")
    return comparable(unquote(unquote(tenant)) if tenant != "-" else ""), comparable(
        unquote(unquote(room))
    )


def check(front_site: Site, jitsi_site: Site, target: str) -> bool:
    """Send a target to both sites and compare their readings; return whether it was allowed."""
    target = with_token(target)
    answer = front_site.get(target)
    inside = jitsi_site.get(target)
    if answer.status != 200:
        assert answer.status in {400, 401, 403}, (target, answer.status)
        assert inside.status in {400, 401, 403}, (target, inside.status)
        return False
    path = front_site.nginx.normalized_path(target)
    assert path is not None, target
    forwarded = RecordedRequest.from_json(answer.json())
    if not forwarded.values("X-Jitsi-Room"):
        assert not _SIGNALLING_NAME.search(path), target
        return False
    compare(path, forwarded)
    compare_inside(path, inside, decided_names(forwarded)[0])
    return True


def compare(path: str, forwarded: RecordedRequest) -> None:
    """Compare nginx' reading of a path with the names that the service has decided on."""
    tenant, room = decided_names(forwarded)
    signalling = _SIGNALLING.fullmatch(path)
    if signalling:
        assert comparable(signalling[1] or "") == tenant, (path, tenant)
        (sent,) = parse_qs(forwarded.target.partition("?")[2])["room"]
        assert comparable(unquote(sent)) == room, (path, room)
    else:
        first, *more = path.removeprefix("/").split("/")
        assert len(more) <= 1, path
        assert comparable(first if more else "") == tenant, (path, tenant)
        if not _NO_UTF_8.search(path):  # the web client leaves such bytes encoded
            assert comparable(more[0] if more else first) == room, (path, room)


def compare_inside(path: str, inside: Answer, decided_tenant: str) -> None:
    """Compare the values of Jitsi's own locations: $prefix for Prosody, $subdomain for the page."""
    if inside.status == 404:  # Jitsi's own locations do not serve names such as "a:b"
        return
    assert inside.status == 200, path
    is_forwarded = inside.headers.get_content_type() == "application/json"
    signalling = _SIGNALLING.fullmatch(path)
    assert is_forwarded == bool(signalling), path
    if signalling and signalling[2]:
        target = RecordedRequest.from_json(inside.json()).target
        (prefix,) = parse_qs(target.partition("?")[2], keep_blank_values=True)["prefix"]
        assert comparable(prefix) == decided_tenant, (path, target)
    for subdomain in re.findall('"tenant": "(.*)",', inside.text) if not signalling else ():
        assert comparable(unquote(subdomain).removesuffix(".")) == decided_tenant, path
