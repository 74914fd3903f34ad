"""Whether nginx and the sidecar mean the same room by a target: path, tenant and signalling.

A token for every room and tenant leaves the grammar as the only thing that can refuse. Whatever
is let in then has to mean to nginx what the sidecar has said that it is.
"""

from __future__ import annotations

import re
from unicodedata import normalize
from urllib.parse import parse_qs, unquote

from tests.support.raw_http import Answer
from tests.support.upstream import RecordedRequest
from tests.system.nginx.sites import Site, mint

ANY = mint(room="*", exp=98753496345768)
"""Opens every room of every tenant."""

_SIGNALLING = re.compile(
    r"/(?:([^/?&:'\"]+)/)?(?:(http-bind|xmpp-websocket|_api/room-info)|conference-request/v1(?:/.*)?)"
)
_WORDS = re.compile("/(http-bind|xmpp-websocket|conference-request/v1|_api/room-info)")
_NO_UTF_8 = re.compile(r"[\udc80-\udcff]")
_EXCLUDED = re.compile(r"""[:?#\[\]@!$&'()*+,;=></"]""")


def with_token(target: str) -> str:
    """Add the token as a browser would, in front of a fragment."""
    before, sign, fragment = target.partition("#")
    return f"{before}{'&' if '?' in before else '?'}token={ANY}{sign}{fragment}"


def plain(name: str) -> str:
    """Forget what the web client's form of a name and nginx' reading may differ in."""
    lowered = normalize("NFKC", name).lower()
    return _EXCLUDED.sub("", normalize("NFKC", lowered))


def judged(forwarded: RecordedRequest) -> tuple[str, str]:
    """Give tenant and room as the sidecar has named them, decoded; an empty tenant is none."""
    (room,), (tenant,) = forwarded.values("X-Jitsi-Room"), forwarded.values("X-Jitsi-Tenant")
    return plain(unquote(unquote(tenant)) if tenant != "-" else ""), plain(unquote(unquote(room)))


def check(front: Site, jitsi: Site, target: str) -> bool:
    """Ask both sites; where one lets the target in, compare. Give whether one did."""
    target = with_token(target)
    answer = front.get(target)
    inside = jitsi.get(target)
    if answer.status != 200:
        assert answer.status in {400, 401, 403}, (target, answer.status)
        assert inside.status in {400, 401, 403}, (target, inside.status)
        return False
    path = front.nginx.reads(target)
    assert path is not None, target
    forwarded = RecordedRequest.from_json(answer.json())
    if not forwarded.values("X-Jitsi-Room"):
        assert not _WORDS.search(path), target
        return False
    compare(path, forwarded)
    compare_inside(path, inside, judged(forwarded)[0])
    return True


def compare(path: str, forwarded: RecordedRequest) -> None:
    """Compare what nginx reads with what the sidecar has judged."""
    tenant, room = judged(forwarded)
    signalling = _SIGNALLING.fullmatch(path)
    if signalling:
        assert plain(signalling[1] or "") == tenant, (path, tenant)
        (sent,) = parse_qs(forwarded.target.partition("?")[2])["room"]
        assert plain(unquote(sent)) == room, (path, room)
    else:
        first, *more = path.removeprefix("/").split("/")
        assert len(more) <= 1, path
        assert plain(first if more else "") == tenant, (path, tenant)
        if not _NO_UTF_8.search(path):  # which the client leaves encoded
            assert plain(more[0] if more else first) == room, (path, room)


def compare_inside(path: str, inside: Answer, judged_tenant: str) -> None:
    """Compare what Jitsi's own locations do: $prefix for Prosody, $subdomain for the page."""
    if inside.status == 404:  # a name such as "a:b" is no room there: it opens nothing
        return
    assert inside.status == 200, path
    handed_on = inside.headers.get_content_type() == "application/json"
    signalling = _SIGNALLING.fullmatch(path)
    assert handed_on == bool(signalling), path
    if signalling and signalling[2]:
        target = RecordedRequest.from_json(inside.json()).target
        (prefix,) = parse_qs(target.partition("?")[2], keep_blank_values=True)["prefix"]
        assert plain(prefix) == judged_tenant, (path, target)
    for subdomain in re.findall('"tenant": "(.*)",', inside.text) if not signalling else ():
        assert plain(unquote(subdomain).removesuffix(".")) == judged_tenant, path
