"""What a question is made of, and what became of it. Knows no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

Header = tuple[str, str]


class Server(StrEnum):
    """Which server a request is sent to; all are on the site's host."""

    SITE = "site"
    PLAIN_HTTP = "plain HTTP"
    BOSH = "port 5280"
    BOSH_TLS = "port 5281"
    JICOFO = "port 8888"
    ADMIN = "the admin port"


class Credential(StrEnum):
    """The token that a request carries. ``questions`` says what each is for."""

    NONE = "no token"
    GUEST = "a guest's"
    GOOD = "a good token"
    SHARED = "the same good token"
    TENANT = "a tenant's token"
    OTHER_TENANT = "another tenant's token"
    OTHER_ROOM = "another room's token"
    EXPIRED = "an expired token"
    FORGED = "a token with a wrong signature"
    UNSIGNED = "a token with alg none"
    INTERNAL = "a token for the room _jitsi-verifier"


class Carrier(StrEnum):
    """How a request carries its token."""

    QUERY = "query"
    BEARER = "Authorization"
    FORGED = "a header of the proxy"


class Target(StrEnum):
    """What a request is about, which decides how its answer is read."""

    BOSH = "BOSH"
    WEBSOCKET = "websocket"
    SERVICE = "service"
    FILE = "file"
    PAGE = "page"
    VERIFIER = "verifier"


class Expected(StrEnum):
    """What the answer has to be. The values are the texts of the table."""

    OPEN = "open"
    ADMITTED = "let in"
    DENIED = "denied"
    NOTHING_OPENED = "nothing opened"
    UNREACHABLE = "not reachable"
    NOTHING_REVEALED = "nothing revealed"


class Verdict(StrEnum):
    """Whether an answer is as expected."""

    HOLDS = "holds"
    MISSED = "does not hold"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Request:
    """A request, written byte for byte. ``{room}`` and others stand for attributes of the site.

    Attributes:
        path: The path as it goes out, with the query up to the token.
        method: The method.
        credential: The token that it carries.
        carrier: How it carries the token.
        headers: Headers besides ``Host``, ``User-Agent`` and ``Authorization``. ``{token}`` stands
            for a token that is carried in a header of the proxy.
        body: The body.
        upgrade: Whether it asks for a websocket.
        server: Where it is sent.
        host: The ``Host`` header; empty for the site's own.
    """

    path: str
    method: str = "GET"
    credential: Credential = Credential.NONE
    carrier: Carrier = Carrier.QUERY
    headers: tuple[Header, ...] = ()
    body: str = ""
    upgrade: bool = False
    server: Server = Server.SITE
    host: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One row of the table.

    Attributes:
        group: The heading under which it stands.
        text: What is asked.
        request: The request.
        target: What the request is about.
        expected: What the answer has to be.
        cure: What to do if it is not.
    """

    group: str
    text: str
    request: Request
    target: Target
    expected: Expected
    cure: str

    @property
    def name(self) -> str:
        """The name that identifies the question, for programs."""
        return f"{self.group}: {self.text}"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, with the beginning of its body; or what came instead.

    Attributes:
        status: The status; 0 if there was no response.
        headers: The headers in lower case, in order.
        body: At most ``connection.LONGEST_BODY`` bytes of the body.
        failure: Why there was no response; empty if there was one.
        connected: Whether a connection was made.
        own_address: Whether the server has an address of this machine.
    """

    status: int = 0
    headers: tuple[Header, ...] = ()
    body: bytes = field(default=b"", repr=False)
    failure: str = ""
    connected: bool = True
    own_address: bool = False

    def values(self, name: str) -> list[str]:
        """Return every value of a header; the name is in lower case."""
        return [value for key, value in self.headers if key == name]

    def value(self, name: str) -> str:
        """Return the first value of a header, or an empty text."""
        return next(iter(self.values(name)), "")

    @property
    def denial(self) -> str:
        """The verifier's denial code; empty without one."""
        return self.value("x-jitsi-denial")

    @property
    def is_html(self) -> bool:
        """Whether the body is a page."""
        return self.value("content-type").partition(";")[0].strip().lower() == "text/html"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a question.

    Attributes:
        question: The question.
        verdict: Whether the answer is as expected.
        found: The answer in a few words; or why it was not asked.
        cure: What to do; empty if the answer is as expected.
    """

    question: Question
    verdict: Verdict
    found: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """A token for a question, or why there is none.

    Attributes:
        text: The token; empty if there is none, or if the request is to carry none.
        code: The code with which the local configuration denies it; empty for none.
        missing: Why there is no such token; empty if there is.
    """

    text: str = field(default="", repr=False)
    code: str = ""
    missing: str = ""


OTHER_ROOM: Final = "check-gate-other"
"""The room of ``Credential.OTHER_ROOM``."""

Tokens = Mapping[Credential, Token]
"""The tokens of one run."""
