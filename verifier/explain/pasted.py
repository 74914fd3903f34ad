"""Reads a token, a join URL or a room that a person pasted or typed.

URLs are read exactly as the service reads them. Everything around a URL or a token is read more
leniently than in the service: quotes, ``Bearer``, a missing scheme. ``PastedInput.notes`` names
each such liberty, so that an explanation never hides what the service would refuse.

To accept another form, add its pattern here: ``_WRAPPINGS`` for what surrounds a token,
``_URL`` and ``_make_absolute`` for what counts as a URL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from verifier.rooms.address import RoomAddress, room_name
from verifier.rooms.url import EXT_AUTHZ_PREFIX, Url, fragment_token, parse_target, parse_url
from verifier.rules.model import AccessRequest
from verifier.rules.policy import Policy
from verifier.rules.room import access_request, jid_request

_URL: Final = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*://|[^?#]*[?#](.*&)?(jwt|token)=", re.DOTALL)
_QUOTED: Final = re.compile(r"([\"'<])(.+)[\"'>]", re.DOTALL)
_WEBSOCKET_SCHEME: Final = re.compile(r"ws(s?://)", re.ASCII | re.IGNORECASE)
_WRAPPINGS: Final = (
    re.compile(r"(?:authorization:\s*)?bearer\s+(?P<token>.+)", re.IGNORECASE | re.DOTALL),
    re.compile(r"([\"'])(?P<token>.+)\1", re.DOTALL),
)
_MAX_WRAPPINGS: Final = 4  # no mistake has more, and each one costs time in the text's length


class UnreadableError(ValueError):
    """The text is not what was expected; the message never quotes the text."""


@dataclass(slots=True)
class PastedInput:
    """What the texts contained that were read so far.

    Attributes:
        token: The first token.
        url: The last URL; it names the room.
        ambiguity: Why the last URL has two readings; empty if it has one.
        notes: How the texts were changed, and what follows from them.
    """

    token: str | None = field(default=None, repr=False)
    url: Url | None = field(default=None, repr=False)
    ambiguity: str = ""
    notes: list[str] = field(default_factory=list)

    def read(self, text: str) -> None:
        """Read a text that is a token or a URL.

        Raises:
            UnreadableError: The text is a URL that no client could request.
        """
        text = text.strip()
        quoted = _QUOTED.fullmatch(text)
        inner = quoted[2].strip() if quoted else text
        if _URL.match(inner) is not None:
            self.read_url(inner)
        else:
            self._read_token(text)

    def read_url(self, text: str) -> None:
        """Read the room and the token of a URL; a token that was read before stays.

        Raises:
            UnreadableError: No client could request the URL.
        """
        url = parse_url(_make_absolute(text.strip()))
        if url is None:
            raise UnreadableError(
                "expected an http or https URL with a host and without a user name"
            )
        self.url = self._skip_own_endpoint(url)
        tokens = {*url.target.jwt, *url.target.token}
        if url.target.ambiguous:
            self.ambiguity = "a parameter twice, or a prefix that is not the path's tenant"
        elif len(tokens) > 1:
            self.ambiguity = "two tokens that differ"
        elif self.token is None:
            self._choose_token(tokens.pop() if tokens else None, fragment_token(text))
        elif tokens - {self.token}:
            self.notes.append("The URL contains another token, which was ignored.")

    def request(self, room: str | None, policy: Policy) -> AccessRequest:
        """Return the access request for the token and a room.

        Args:
            room: A name, ``tenant/name`` or an XMPP address; None or blank for the URL's room.
            policy: The rules of the host that serves the room.

        Raises:
            UnreadableError: No client could send such a room.
        """
        typed = (room or "").strip()
        if "@" in typed and "://" not in typed:
            return jid_request(self.token, typed)
        if typed:
            address = parse_room(typed)
            if address.room != typed.rpartition("/")[2]:
                self.notes.append(f'To the web client the room is "{address.room}".')
            return access_request(self.token, address, policy)
        if self.url is not None:
            return access_request(self.token, self.url.target.address, policy)
        self.notes.append("No room was given, so only the token was checked.")
        return AccessRequest(self.token)

    def _skip_own_endpoint(self, url: Url) -> Url:
        """Return the URL that Envoy asks about: its path follows the prefix /ext-authz."""
        if not url.target.path.startswith(f"{EXT_AUTHZ_PREFIX}/"):
            return url
        path = url.target.path.removeprefix(EXT_AUTHZ_PREFIX)
        target = parse_target(f"{path}?{url.target.query}")
        self.notes.append(
            "The URL is of this verifier's own /ext-authz endpoint. The room is in the path after"
            " /ext-authz."
        )
        return url if target is None else replace(url, target=target)

    def _choose_token(self, in_query: str | None, in_fragment: str | None) -> None:
        # A proxy sees only the query, so that token decides whether the page opens.
        if in_query is not None and in_fragment is not None and in_query != in_fragment:
            self.notes.append(
                "The URL has another token in its fragment (#jwt=). The web client uses that one; a"
                " proxy sees only the token in the query, which was checked here."
            )
        elif in_query is None and in_fragment is not None:
            self.notes.append(
                "The token is in the URL's fragment (#jwt=), which no proxy ever sees: the page"
                " itself is requested without a token, and only the signalling afterwards carries"
                " it."
            )
        text = in_fragment if in_query is None else in_query
        if text is not None:
            self._read_token(text)

    def _read_token(self, text: str) -> None:
        self.token, note = unwrap(text)
        self.notes += [note] if note else []


def unwrap(text: str) -> tuple[str, str | None]:
    """Remove blanks, quotes and ``Bearer`` around a token.

    Returns:
        The token, and a note if something other than blanks was removed: the service itself would
        not remove it.
    """
    token = bare = text.strip()
    for _ in range(_MAX_WRAPPINGS):
        match = next(filter(None, (wrapping.fullmatch(bare) for wrapping in _WRAPPINGS)), None)
        if match is None:
            break
        bare = match["token"].strip()
    if bare == token:
        return token, None
    return bare, (
        "'Bearer ' or quotes were removed from the token for this explanation. In a URL, the"
        " service itself would refuse the token with them."
    )


def parse_room(text: str) -> RoomAddress:
    """Bring ``name`` or ``tenant/name``, as people write them, to the form that clients send.

    Raises:
        UnreadableError: The name has no such form, is too long for an address, or the tenant
            cannot be in a URL.
    """
    tenant, slash, room = text.rpartition("/")
    form = room_name(room)
    if form is None:
        raise UnreadableError("expected a name that the web client could send")
    if not slash:
        return RoomAddress(form)
    return RoomAddress(form, parse_tenant(tenant))


def parse_tenant(text: str) -> str:
    """Bring a tenant to the form that clients send.

    Raises:
        UnreadableError: The tenant cannot be in a URL.
    """
    target = parse_target(f"/{text}/room")
    if target is None or target.address is None or target.address.tenant is None:
        raise UnreadableError("expected one segment of a path, without special characters")
    return target.address.tenant


def _make_absolute(text: str) -> str:
    if text.startswith("/"):
        return f"https://localhost{text}"
    if "://" not in text.partition("?")[0]:
        return f"https://{text}"
    websocket = _WEBSOCKET_SCHEME.match(text)
    return f"http{websocket[1]}{text[websocket.end() :]}" if websocket else text
