"""The dearest known requests: what a client can send, by the part of the request it is in.

Each part is a function from a number of bytes to texts, so that limits of length are met at both
sides. ``requests_for`` puts them into the places of an endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Final

from tests.support.costs import tokens
from tests.support.costs.modes import ADMIN_TOKEN
from tests.support.costs.requests import (
    HOST,
    PROXY_ENDPOINTS,
    ROOM_JID,
    Request,
    ask_verify,
    ask_with_token,
    forged_token,
    get,
    post_verify,
    write,
)
from verifier.http.handoff_cookie import CookieScope, cookie_name

SIZES: Final = (1_000, 4_000, 8_600, 15_800)
"""Bytes of the crafted part: a header field has at most 16 KB."""
BODY_SIZES: Final = (2_000, 8_600, 65_000)

ENDPOINTS: Final = (
    *PROXY_ENDPOINTS,
    *("/v1/verify", "/access", "/check_password", "/user_exists", "/asap/", "/healthz", "unknown"),
    "admin",
)

_FOUND: Final = Path(__file__).with_name("found.txt")
_COOKIE_NAME: Final = cookie_name(CookieScope(HOST, None, "standup"))
_QUERY_UNITS: Final = {
    "ampersands": "&",
    "short parameters": "a&",
    "short pairs": "a=b&",
    "pluses": "a=+&",
    "escaped names": "%61&",
    "escaped room names": "%72oom%3d&",
    "escaped jwt names": "%6awt=x&",
    "rooms": "room=x&",
    "tokens": "jwt=&",
    "prefixes": "prefix=%61&",
    "bad escapes": "%&",
    "bytes beyond UTF-8": "%ff&",
    "beginnings of tokens": "eyJ&",
    "lower-case beginnings of tokens": "a=eyjeyjeyj&",
    "hyphens before tokens": "--------eyJhbGci&",
    "equals signs": "=&",
    "semicolons": "a;",
    "number signs": "#&",
}
_VALUE_UNITS: Final = {
    "letters": "a",
    "escapes": "%41",
    "escapes of two bytes": "%C3%A9",
    "escapes of four bytes": "%F0%9F%98%80",
    "escaped percent signs": "%25",
    "escaped slashes": "%2525252f",
    "pluses": "+",
    "bad escapes": "%",
    "bytes beyond UTF-8": "%ff",
    "upper case": "A",
    "excluded characters": "%3a!",
    "text that grows": "%EF%B7%BA",
    "marks": "a%cc%96%cc%81",
    "raw text": "é",
    "raw bytes": "\udcff",
    "newer letters": "%F0%9E%A4%80",
    "final sigmas": "%CE%A3",
    "apostrophes": "'",
    "beginnings of tokens": "eyJ",
    "lower-case beginnings of tokens": "eyjh",
    "cut tokens": "eyJh.",
    "hyphens": "-",
    "dots": ".",
    "colons": ":",
    "blanks": "%20",
}
_PATH_UNITS: Final = {
    "segments": "/a",
    "slashes": "/",
    "dot segments": "/.",
    "encoded slashes": "%2f",
    "encoded dots": "/%2e",
    "signalling": "/http-bind",
}
_COOKIE_UNITS: Final = {
    "semicolons": ";",
    "short cookies": "a;",
    "pairs": "a=b; ",
    "tokens": "jwt=x;",
    "blanks": " ;",
    "equals signs": "=;",
}
_HOSTS: Final = {
    "labels": "a.",
    "hyphens": "-",
    "address": "[::",
    "colons": ":",
    "digits": "1",
    "upper case": "A.",
    "punycode": "xn--a.",
}


def _fill(unit: str, size: int) -> str:
    return unit * max(1, size // len(unit.encode("utf-8", "surrogateescape")))


def _uris(size: int) -> Iterator[tuple[str, str]]:
    """Yield paths with queries."""
    for name, unit in _QUERY_UNITS.items():
        yield f"query of {name}", f"/standup?{_fill(unit, size)}"
    for name, unit in _VALUE_UNITS.items():
        text = _fill(unit, size)
        yield f"value of {name}", f"/standup?x={text}"
        yield f"room path of {name}", f"/{text}"
        yield f"tenant of {name}", f"/{text}/standup"
        yield f"room of {name}", f"/http-bind?room={text}"
        yield f"prefix of {name}", f"/acme/http-bind?room=standup&prefix={text}"
        yield f"jwt of {name}", f"/standup?jwt={text}"
        yield f"name of {name}", f"/standup?{text}=x"
    for name, unit in _PATH_UNITS.items():
        yield f"path of {name}", _fill(unit, size)
    for letters in (170, 1_023):
        for name, unit in _VALUE_UNITS.items():
            text = _fill(unit, letters * 3)
            yield f"{letters} letters of {name}", f"/{text}/{text}?{_fill('a=b&', size)}"


def _fields(size: int) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield header fields that a client can send past its proxy."""
    for name, unit in _COOKIE_UNITS.items():
        yield f"cookie of {name}", [("Cookie", _fill(unit, size))]
    for name in ("__Host-jitsi-0123456789abcdef", _COOKIE_NAME):
        for details in ("A" * 22, "A" * (size // 5), "A" * (size - 100)):
            cookie = f"{name}=4000000000.{details}.{'A' * 22}.{'A' * 43}; "
            yield f"hand-off cookies of {len(details)}", [("Cookie", _fill(cookie, size))]
    yield "many cookie fields", [("Cookie", "jwt=x")] * min(100, size // 15)
    yield "distinct cookies", [("Cookie", "".join(f"jwt={n};" for n in range(size // 9)))]
    yield "many authorizations", [("Authorization", "Bearer x")] * min(100, size // 25)
    for scheme in ("Bearer ", "bEARER ", "Basic ", "Bearer\t"):
        yield f"authorization {scheme!r}", [("Authorization", scheme + "a" * size)]
        yield f"blanks after {scheme!r}", [("Authorization", scheme + " " * size + "a")]
    headers = ("X-Request-Id", "traceparent", "X-Real-IP", "X-Forwarded-For", "Referer")
    for header in (*headers, "Origin", "X-Original-Upgrade", "X-Forwarded-Upgrade"):
        for unit in ("eyJ", "eyjh", ":", "1", "%", "a,"):
            yield f"{header} of {unit}", [(header, _fill(unit, size))]
    yield "many fields", [(f"X-{n}", "") for n in range(min(100, size // 9))]
    yield "many equal fields", [("X-Forwarded-For", "a")] * min(100, size // 20)
    dear = {"Cookie": "a=b; ", "X-Request-Id": "eyJ", "traceparent": "eyJ", "X-Real-IP": ":"}
    yield "several long fields", [(name, _fill(unit, size // 2)) for name, unit in dear.items()]
    yield "many other URIs", [("X-Forwarded-Uri", "/a")] * min(100, size // 22)
    methods = [("X-Original-Method", "OPTIONS"), ("X-Forwarded-Method", "OPTIONS")]
    asks = ("Access-Control-Request-Method", "POST")
    yield "preflight", [*methods, asks, ("Origin", "a" * size)]
    yield "preflight of many origins", [*methods, asks, *[("Origin", "a")] * min(100, size // 12)]


def _proxy_requests(endpoint: str, size: int) -> Iterator[tuple[str, bytes]]:
    ask = PROXY_ENDPOINTS[endpoint]
    for name, uri in _uris(size):
        yield name, ask(uri)
    for name, fields in _fields(size):
        yield name, ask("/standup", *fields)
    for name, unit in _HOSTS.items():
        yield f"host of {name}", ask("/standup", host=_fill(unit, size))
        yield f"short host of {name}", ask("/standup", host=_fill(unit, min(size, 250)))
    for name, fields in _fields(size):
        yield f"signalling, {name}", ask("/xmpp-websocket?room=standup", *fields)
        yield f"no original request, {name}", get(endpoint, *fields)
    token = forged_token("defaults", size)
    yield "two tokens", ask(f"/standup?jwt={token}", ("Authorization", f"Bearer {token}x"))
    yield "equal tokens", ask(f"/standup?token={token}", ("Authorization", f"Bearer {token}"))
    for name, token in tokens.crafted(size):
        yield f"token: {name}", ask_with_token(endpoint, token)
        yield f"bearer token: {name}", ask("/standup", ("Authorization", f"Bearer {token}"))
        yield f"cookie token: {name}", ask("/standup", ("Cookie", f"jwt={token}"))


def _bodies(size: int) -> Iterator[tuple[str, bytes]]:
    """Yield bodies that are not what ``/v1/verify`` expects."""
    units = {
        "numbers": "1,",
        "lists": "[],",
        "objects": "{},",
        "strings": '"",',
        "floats": "1e5,",
        "long numbers": "12345678901234567890,",
        "words": "null,",
        "escapes": '"\\u00e9",',
    }
    for name, unit in units.items():
        yield f"list of {name}", f'{{"token":null,"x":[{_fill(unit, size)}1]}}'.encode()
    members = ",".join(f'"{number:x}":1' for number in range(size // 9))
    yield "members", f'{{"token":null,{members}}}'.encode()
    yield (
        "doubled members",
        f'{{"token":null,{_fill(chr(34) + "a" + chr(34) + ":1,", size)}'.encode(),
    )
    yield "levels", f'{{"token":null,"x":{"[" * 60 + "]" * 60}}}'.encode()
    yield "open levels", b'{"token":' + b"[" * size
    yield "blanks", b'{"token":null' + b" " * size + b"}"
    yield "escaped text", f'{{"token":null,"x":"{_fill(chr(92) + "u00e9", size)}"}}'.encode()
    yield "backslashes", f'{{"token":null,"x":"{_fill(chr(92) * 2, size)}"}}'.encode()
    yield "bad UTF-8", b'{"token":null,"x":"' + b"\xff" * size + b'"}'
    yield "text", f'{{"token":null,"x":"{_fill("é", size)}"}}'.encode()
    forged = forged_token("defaults", 400)
    yield "numbers beside a token", f'{{"token":"{forged}","x":[{_fill("1,", size)}1]}}'.encode()


def _verify_requests(size: int) -> Iterator[tuple[str, bytes]]:
    for name, body in _bodies(size):
        yield name, post_verify(body)
    units = {**_VALUE_UNITS, "at signs": "@", "brackets": "[a]", "letters beyond ASCII": "é"}
    units |= {
        "text that grows": "\ufdfa",
        "marks": "a\u0316\u0301",
        "unassigned letters": "\U0001e900",
    }
    for name, unit in units.items():
        text = _fill(unit, size).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        for token in (None, forged_token("defaults", 300)):
            yield f"room_jid of {name}", ask_verify(token=token, room_jid=f"{text}@{HOST}")
            yield f"host part of {name}", ask_verify(token=token, room_jid=f"standup@{text}")
            yield f"resource of {name}", ask_verify(token=token, room_jid=f"{ROOM_JID}/{text}")
            yield f"prefix of {name}", ask_verify(token=token, query_prefix=text)
            yield f"host of {name}", ask_verify(token=token, host=text)
        yield f"token of {name}", ask_verify(token=text)
        short = text[:1_000]
        yield f"short room_jid of {name}", ask_verify(token=None, room_jid=f"{short}@{short}")
    for name, token in tokens.crafted(size):
        yield f"token: {name}", ask_verify(token=token)
    fields = [("Host", HOST), ("Transfer-Encoding", "chunked")]
    for name, chunk in (("", b"1\r\nx\r\n"), (" with extensions", b"1;a=b\r\nx\r\n")):
        # A body of so many bytes, each of which takes a chunk.
        body = chunk * size + b"0\r\n\r\n"
        yield f"chunks of one byte{name}", write("POST", "/v1/verify", fields) + body


def _password_requests(size: int) -> Iterator[tuple[str, bytes]]:
    for name, unit in _QUERY_UNITS.items():
        yield f"query of {name}", get(f"/check_password?{_fill(unit, size)}")
        yield f"token and query of {name}", get(f"/check_password?pass=a.b.c&{_fill(unit, size)}")
    for name, unit in _VALUE_UNITS.items():
        text = _fill(unit, size)
        for parameter in ("user", "server", "pass"):
            query = {"user": "u", "server": HOST, "pass": "x"} | {parameter: text}
            pairs = "&".join(f"{key}={value}" for key, value in query.items())
            yield f"{parameter} of {name}", get(f"/check_password?{pairs}")
    for name, token in tokens.crafted(size):
        yield f"token: {name}", ask_with_token("/check_password", token)
    for name, fields in _fields(size):
        yield name, get("/check_password?pass=x", *fields)


def _access_requests(size: int) -> Iterator[tuple[str, bytes]]:
    for name, fields in _fields(size):
        yield name, get("/access", *fields)
    for name, token in tokens.crafted(size):
        yield f"token: {name}", ask_with_token("/access", token)
    for name, unit in _HOSTS.items():
        yield f"host of {name}", get("/access", host=_fill(unit, size))


def _path_requests(path: str, size: int) -> Iterator[tuple[str, bytes]]:
    for name, unit in {**_VALUE_UNITS, **_QUERY_UNITS}.items():
        yield f"path of {name}", get(path + _fill(unit, size))
        yield f"query of {name}", get(f"{path}?{_fill(unit, size)}")
    for name, fields in _fields(size):
        yield name, get(path, *fields)
    for name, unit in _HOSTS.items():
        yield f"host of {name}", get(path, host=_fill(unit, size))


def _admin_requests(size: int) -> Iterator[tuple[str, bytes]]:
    paths = ("/metrics", "/readyz", "/openapi.json", "/", "/dashboard", "/v1/explain", "/v1/keys")
    for path in paths:
        yield path, get(path)
    for name, unit in {**_QUERY_UNITS, "exclusions": "exclude=x&", "escaped": "%65xclude&"}.items():
        yield f"/readyz of {name}", get(f"/readyz?{_fill(unit, size)}")
    wrong = ("Authorization", f"Bearer {ADMIN_TOKEN[:-1]}")
    for name, fields in _fields(size):
        yield f"wrong token, {name}", get("/v1/revocations", wrong, *fields)
    for name, body in _bodies(size):
        fields = [("Host", HOST), wrong, ("Content-Type", "application/json")]
        yield f"wrong token, {name}", write("POST", "/v1/explain", fields, body)


_MAKERS: Final[dict[str, Callable[[int], Iterator[tuple[str, bytes]]]]] = {
    **{name: partial(_proxy_requests, name) for name in PROXY_ENDPOINTS},
    "/v1/verify": _verify_requests,
    "/access": _access_requests,
    "/check_password": _password_requests,
    "/user_exists": partial(_path_requests, "/user_exists"),
    "/asap/": partial(_path_requests, f"/asap/{'0123456789abcdef' * 4}.pem"),
    "/healthz": partial(_path_requests, "/healthz"),
    "unknown": partial(_path_requests, "/unknown"),
    "admin": _admin_requests,
}


@cache
def _found() -> list[list[str]]:
    """Return what the fuzzer of costs found: an endpoint and a request in hexadecimal each."""
    return [line.rsplit(maxsplit=1) for line in _FOUND.read_text("ascii").splitlines()]


def requests_for(endpoint: str) -> Iterator[Request]:
    """Yield the requests for an endpoint of ``ENDPOINTS``."""
    for number, (found_at, digits) in enumerate(_found()):
        if found_at == endpoint:
            yield Request(endpoint, f"found, {number}", bytes.fromhex(digits), endpoint == "admin")
    for size in BODY_SIZES if endpoint in ("/v1/verify", "admin") else SIZES:
        for name, data in _MAKERS[endpoint](size):
            yield Request(endpoint, f"{name}, {size}", data, endpoint == "admin")
