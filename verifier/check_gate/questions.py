"""The questions, as a table. ``evaluation`` reads the answers.

No request changes anything on the server. BOSH requests name a session that does not exist, and
Prosody answers that it does not know it. Conference requests have a body that Jicofo cannot read. A
websocket is opened and closed at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from verifier.check_gate import disguises
from verifier.check_gate.model import (
    OTHER_ROOM,
    Carrier,
    Credential,
    Expected,
    Header,
    Question,
    Request,
    Server,
    Target,
)

BOSH_NAMESPACE: Final = "http://jabber.org/protocol/httpbind"
_UNKNOWN_SESSION: Final = f"<body rid='1' sid='check-gate' xmlns='{BOSH_NAMESPACE}'/>"
_UNREADABLE: Final = "check-gate"
_XML: Final = ("Content-Type", "text/xml; charset=utf-8")
_JSON: Final = ("Content-Type", "application/json")
_ORIGIN: Final = ("Origin", "https://check-gate.invalid")
_ASKS_POST: Final = ("Access-Control-Request-Method", "POST")
_PAGE: Final = ("Accept", "text/html")
# The verifier reads at most 32 KB of a head; each of these fits into a proxy's buffer.
_LONG: Final = "x" * 11_500

_BOSH: Final = "/http-bind?room={room}"
_WEBSOCKET: Final = "/xmpp-websocket?room={room}"
_CONFERENCE: Final = "/conference-request/v1?room={room}"
_ROOM_INFO: Final = "/_api/room-info?room={room}"

OPEN: Final = "Open to all"
GUEST: Final = "Without a token"
GOOD: Final = "With a good token"
BAD: Final = "With a bad token"
DISGUISE: Final = "Disguised paths, without a token"
FORGED: Final = "Forged request headers"
PREFLIGHT: Final = "Pages of other origins"
CACHE: Final = "Cached answers"
FAILURE: Final = "When the verifier cannot answer"
INTERNAL: Final = "Internal addresses"
DIRECT: Final = "Ports beside the proxy"

_GATE_IT: Final = (
    "the proxy passes this path on without asking the verifier: compare its files with those of"
    " contrib/ (docs/other-proxies.md, docs/debian-nginx.md)"
)
_LET_IT: Final = (
    "the proxy asks for a token here, but clients load this without one: make it public"
)
_ADMIT: Final = "run 'jitsi-verifier explain' with such a token on the server"
_REFUSE: Final = (
    "this token opens a room that it is not for: compare the running verifier's configuration with"
    " this one"
)
_READ_ALIKE: Final = (
    "the proxy and the server behind it read this path differently: gate every path that contains"
    " the name of a signalling service, however it is written, and reject encoded or dotted paths"
)
_DROP_HEADERS: Final = (
    "the verifier must get the original request from the proxy only: remove or replace this header"
    " of the client before the verifier is asked"
)
_PREFLIGHT_PASSES: Final = (
    "browsers send no token with a preflight: pass Origin, Access-Control-Request-Method and the"
    " original method on to the verifier"
)
_CACHE_KEY: Final = (
    "a cached answer is used for another token: the key of every cache must contain the whole URL"
    " and Authorization, and no cache may keep a denial"
)
_CLOSE_ON_FAILURE: Final = (
    "the gate opens when the verifier does not answer 401 or 403: let every other answer, and none,"
    " be a denial"
)
_HIDE: Final = "the proxy must not pass this path on to the verifier: leave its admin address local"
_CLOSE_PORT: Final = (
    "this port leads past the gate: bind it to 127.0.0.1 (Prosody: http_interfaces, and"
    " https_interfaces) or close it in the firewall"
)
_GATE_OTHERS: Final = (
    "another server block of the proxy passes signalling on without the gate: redirect it, or put"
    " the gate into it too"
)


def _bosh(path: str = _BOSH, *headers: Header) -> Request:
    return Request(path, "POST", headers=(_XML, *headers), body=_UNKNOWN_SESSION)


def _conference(path: str = _CONFERENCE) -> Request:
    return Request(path, "POST", carrier=Carrier.BEARER, headers=(_JSON,), body=_UNREADABLE)


def _with(request: Request, credential: Credential, carrier: Carrier | None = None) -> Request:
    return replace(request, credential=credential, carrier=carrier or request.carrier)


def _open() -> Iterator[Question]:
    paths = {
        "the welcome page": "/",
        "config.js": "/config.js",
        "a tenant's config.js": "/{tenant}/config.js",
        "external_api.js": "/external_api.js",
        "the scripts": "/libs/check-gate.js",
        "the styles": "/css/check-gate.css",
        "the images": "/images/check-gate.png",
        "the browser's icon": "/favicon.ico",
        "the public files": "/_api/public/check-gate",
        "the keep-alive": "/_unlock?room={room}",
        "a tenant's keep-alive": "/{tenant}/_unlock?room={room}",
        "the media bridge": "/colibri-ws/default-id/check-gate",
    }
    for text, path in paths.items():
        yield Question(OPEN, text, Request(path), Target.FILE, Expected.OPEN, _LET_IT)


def _services(prefix: str) -> Iterator[tuple[str, Request, Target]]:
    """Yield every signalling service, for the site or below a tenant."""
    of = "" if not prefix else "a tenant's "
    yield f"{of}BOSH", _bosh(prefix + _BOSH), Target.BOSH
    websocket = Request(prefix + _WEBSOCKET, upgrade=True)
    yield f"{of}websocket", websocket, Target.WEBSOCKET
    yield f"{of}conference request", _conference(prefix + _CONFERENCE), Target.SERVICE
    yield f"{of}room's size", Request(prefix + _ROOM_INFO), Target.SERVICE


def _guest() -> Iterator[Question]:
    def denied(text: str, request: Request, target: Target) -> Question:
        asked = _with(request, Credential.GUEST)
        return Question(GUEST, text, asked, target, Expected.DENIED, _GATE_IT)

    for prefix in ("", "/{tenant}"):
        for text, request, target in _services(prefix):
            yield denied(text, request, target)
    yield denied("BOSH, by GET", Request(_BOSH), Target.BOSH)
    yield denied("BOSH, by OPTIONS", Request(_BOSH, "OPTIONS"), Target.BOSH)
    yield denied("the websocket's keep-alive", Request(_WEBSOCKET), Target.SERVICE)
    path = "/conference-request/v1/check-gate?room={room}"
    yield denied("a path below the conference request", _conference(path), Target.SERVICE)


def _good() -> Iterator[Question]:
    def admitted(text: str, request: Request, target: Target) -> Question:
        return Question(GOOD, text, request, target, Expected.ADMITTED, _ADMIT)

    for prefix, credential in (("", Credential.GOOD), ("/{tenant}", Credential.TENANT)):
        for text, request, target in _services(prefix):
            yield admitted(text, _with(request, credential), target)
    page = Request("/{room}", credential=Credential.GOOD, headers=(_PAGE,))
    yield admitted("the room's page", page, Target.PAGE)
    bearer = _with(_bosh(), Credential.GOOD, Carrier.BEARER)
    yield admitted("BOSH, with the token in Authorization", bearer, Target.BOSH)
    keep_alive = Request(_WEBSOCKET, credential=Credential.GOOD)
    yield admitted("the websocket's keep-alive", keep_alive, Target.SERVICE)


def _bad() -> Iterator[Question]:
    def denied(text: str, request: Request, target: Target = Target.BOSH) -> Question:
        return Question(BAD, text, request, target, Expected.DENIED, _REFUSE)

    for credential, words in (
        (Credential.OTHER_ROOM, "another room's"),
        (Credential.EXPIRED, "expired"),
        (Credential.FORGED, "with a wrong signature"),
        (Credential.UNSIGNED, "with alg none"),
    ):
        yield denied(f"BOSH, {words}", _with(_bosh(), credential))
    upgrade = Request(_WEBSOCKET, upgrade=True)
    other = Credential.OTHER_ROOM
    yield denied("websocket, another room's", _with(upgrade, other), Target.WEBSOCKET)
    yield denied("websocket, expired", _with(upgrade, Credential.EXPIRED), Target.WEBSOCKET)
    yield denied("conference request, another room's", _with(_conference(), other), Target.SERVICE)
    tenant = _with(_bosh("/{tenant}" + _BOSH), Credential.OTHER_TENANT)
    yield denied("a tenant's BOSH, another tenant's", tenant)
    twice = _with(_bosh(f"{_BOSH}&room=check-gate-2"), Credential.GOOD)
    yield denied("BOSH for two rooms", twice)
    prefix = _with(_bosh(f"{_BOSH}&prefix=check-gate-2"), Credential.GOOD)
    yield denied("BOSH with another tenant's prefix", prefix)
    yield denied("BOSH without a room", _with(_bosh("/http-bind"), Credential.GOOD))


def _disguised() -> Iterator[Question]:
    def closed(text: str, request: Request, target: Target) -> Question:
        asked = _with(request, Credential.GUEST)
        return Question(DISGUISE, text, asked, target, Expected.NOTHING_OPENED, _READ_ALIKE)

    for text, path in disguises.BOSH.items():
        room = "#".join([f"{part}?room={{room}}" for part in path.split("#")])
        yield closed(text, _bosh(room), Target.BOSH)
    for text, path in disguises.WEBSOCKET.items():
        yield closed(text, Request(f"{path}?room={{room}}", upgrade=True), Target.WEBSOCKET)
    for text, path in disguises.ROOM_SIZE.items():
        yield closed(text, Request(f"{path}?room={{room}}"), Target.SERVICE)
    for text, path in disguises.CONFERENCE.items():
        yield closed(text, _conference(f"{path}?room={{room}}"), Target.SERVICE)


def _forged() -> Iterator[Question]:
    def closed(text: str, *headers: Header, host: str = "") -> Question:
        request = replace(_bosh(_BOSH, *headers), credential=Credential.GUEST, host=host)
        cure = _GATE_OTHERS if host else _DROP_HEADERS
        return Question(FORGED, text, request, Target.BOSH, Expected.NOTHING_OPENED, cure)

    for name, start in (
        ("X-Original-URI", ""),
        ("X-Original-URL", "https://{host}"),
        ("X-Forwarded-Uri", ""),
        ("X-Rewrite-URL", ""),
    ):
        # The verifier would let this token into its own room, which is not the one asked for.
        own_room = f"{start}/http-bind?room={OTHER_ROOM}&token={{token}}"
        request = _with(_bosh(_BOSH, (name, own_room)), Credential.OTHER_ROOM, Carrier.FORGED)
        text = f"{name} with another room and its token"
        yield Question(FORGED, text, request, Target.BOSH, Expected.NOTHING_OPENED, _DROP_HEADERS)
    methods = [(f"X-{name}-Method", "OPTIONS") for name in ("Original", "Forwarded")]
    yield closed("the method of a preflight", *methods, _ORIGIN, _ASKS_POST)
    addresses = [(name, "{internal}") for name in ("X-Real-IP", "X-Forwarded-For")]
    yield closed("an internal client address", *addresses)
    identity = [("X-Jitsi-Room", "{room}"), ("X-Jitsi-Moderator", "true")]
    yield closed("X-Jitsi-…", *identity, ("X_Jitsi_Room", "{room}"))
    yield closed("another Host", host="check-gate.invalid")


def _preflights() -> Iterator[Question]:
    asked = (_ORIGIN, _ASKS_POST)
    for text, path in (("BOSH", _BOSH), ("a conference request", _CONFERENCE)):
        request, cure = Request(path, "OPTIONS", headers=asked), _PREFLIGHT_PASSES
        preflight = f"preflight of {text}"
        yield Question(PREFLIGHT, preflight, request, Target.SERVICE, Expected.OPEN, cure)
    for method in ("POST", "GET"):
        request = replace(_bosh(_BOSH, *asked), method=method, credential=Credential.GUEST)
        if method == "GET":
            request = replace(request, body="")
        text = f"a {method} with a preflight's headers"
        yield Question(PREFLIGHT, text, request, Target.BOSH, Expected.DENIED, _GATE_IT)


def _cached() -> Iterator[Question]:
    """One URL, asked with different tokens in ``Authorization``, in this order."""
    for text, credential, expected in (
        ("a guest asks first", Credential.GUEST, Expected.DENIED),
        ("then a good token, which must not get the denial", Credential.SHARED, Expected.ADMITTED),
        ("then another room's token", Credential.OTHER_ROOM, Expected.DENIED),
        ("then a wrong signature", Credential.FORGED, Expected.DENIED),
        ("then the guest again", Credential.GUEST, Expected.DENIED),
    ):
        request = replace(_bosh(f"{_BOSH}&check-gate=cache"), method="GET", body="")
        asked = _with(request, credential, Carrier.BEARER)
        yield Question(CACHE, text, asked, Target.BOSH, expected, _CACHE_KEY)


def _failure() -> Iterator[Question]:
    long = [(name, _LONG) for name in ("Cookie", "Authorization")]
    request = _with(_bosh(f"{_BOSH}&x={_LONG}", *long), Credential.NONE)
    text = "a request that is too long for the verifier"
    yield Question(FAILURE, text, request, Target.BOSH, Expected.NOTHING_OPENED, _CLOSE_ON_FAILURE)


def _internal() -> Iterator[Question]:
    for path in ("/metrics", "/v1/keys", "/openapi.json", "/auth"):
        request = Request(path)
        yield Question(INTERNAL, path, request, Target.VERIFIER, Expected.UNREACHABLE, _HIDE)
    request = Request("/_jitsi-verifier", credential=Credential.INTERNAL)
    cure = "make this location internal"
    yield Question(
        INTERNAL, "/_jitsi-verifier", request, Target.VERIFIER, Expected.UNREACHABLE, cure
    )


def _direct() -> Iterator[Question]:
    def closed(text: str, request: Request, server: Server, target: Target, cure: str) -> Question:
        asked = replace(request, server=server)
        return Question(DIRECT, text, asked, target, Expected.UNREACHABLE, cure)

    yield closed("BOSH on 5280", _bosh(), Server.BOSH, Target.BOSH, _CLOSE_PORT)
    yield closed("BOSH on 5281, with TLS", _bosh(), Server.BOSH_TLS, Target.BOSH, _CLOSE_PORT)
    conference = _conference("/conference-request/v1")
    yield closed("Jicofo on 8888", conference, Server.JICOFO, Target.SERVICE, _CLOSE_PORT)
    cure = "bind admin_listen to 127.0.0.1 or close the port in the firewall"
    yield closed("the admin address", Request("/healthz"), Server.ADMIN, Target.VERIFIER, cure)
    cure = _GATE_OTHERS
    guest = _with(_bosh(), Credential.GUEST)
    yield closed("BOSH over plain HTTP", guest, Server.PLAIN_HTTP, Target.BOSH, cure)


QUESTIONS: Final[Sequence[Question]] = (
    *_open(),
    *_good(),
    *_guest(),
    *_bad(),
    *_disguised(),
    *_forged(),
    *_preflights(),
    *_cached(),
    *_failure(),
    *_internal(),
    *_direct(),
)
"""Every question that sends a request, in the order in which they are asked."""
