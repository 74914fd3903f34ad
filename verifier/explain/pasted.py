"""What people paste or type where a token, a join URL or a room is asked for.

Reads URLs as the gate does, and everything else more kindly; says what it did so as notes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from verifier.explain.explanation import unwrap
from verifier.rooms.address import (
    RoomAddress,
    Url,
    fragment_token,
    parse_target,
    parse_url,
    room_name,
)
from verifier.rules.model import AccessRequest
from verifier.rules.policy import Policy
from verifier.rules.room import access_request, jid_request

_URL: Final = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*://|[^?#]*[?#](.*&)?(jwt|token)=", re.DOTALL)
_QUOTED: Final = re.compile(r"([\"'<])(.+)[\"'>]", re.DOTALL)
_SOCKET: Final = re.compile(r"ws(s?://)", re.ASCII | re.IGNORECASE)
_OWN_ENDPOINT: Final = "/ext-authz/"


class UnreadableError(ValueError):
    """Not what was asked for; says what was expected, and quotes nothing."""


@dataclass(slots=True)
class PastedInput:
    """What the texts that were read so far have in them.

    Attributes:
        token: The first token found.
        url: The last URL found, which names the room.
        ambiguity: In which way the URL can be read twice; empty where it cannot.
        notes: What was done to the texts, or follows from them.
    """

    token: str | None = field(default=None, repr=False)
    url: Url | None = field(default=None, repr=False)
    ambiguity: str = ""
    notes: list[str] = field(default_factory=list)

    def read(self, text: str) -> None:
        """Take a token, or what a URL has in it.

        Raises:
            UnreadableError: it is a URL that no client could ask for.
        """
        text = text.strip()
        quoted = _QUOTED.fullmatch(text)
        inner = quoted[2].strip() if quoted else text
        if _URL.match(inner) is not None:
            self.read_url(inner)
        else:
            self._take(text)

    def read_url(self, text: str) -> None:
        """Take room and token from a URL; a token that is there already stays.

        Raises:
            UnreadableError: it is none that a client could ask for.
        """
        url = parse_url(_absolute(text.strip()))
        if url is None:
            raise UnreadableError(
                "expected an http or https URL with a host and without a user name"
            )
        self.url = self._behind_endpoint(url)
        tokens = {*url.target.jwt, *url.target.token}
        if url.target.ambiguous:
            self.ambiguity = "a parameter twice, or a prefix that is not the path's tenant"
        elif len(tokens) > 1:
            self.ambiguity = "two tokens that differ"
        elif self.token is None:
            self._take_one(tokens.pop() if tokens else None, fragment_token(text))
        elif tokens - {self.token}:
            self.notes.append("The URL carries another token, which was not looked at.")

    def request(self, room: str | None, policy: Policy) -> AccessRequest:
        """Put the question: what was found, and a room that was typed.

        Args:
            room: A name, ``tenant/name``, an XMPP address or a URL; None or blank for the URL's.
            policy: Where this host's rooms are.

        Raises:
            UnreadableError: no client could send such a room.
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
        self.notes.append("No room was given, so only the token was judged.")
        return AccessRequest(self.token)

    def _behind_endpoint(self, url: Url) -> Url:
        """Read the verifier's own endpoint as Envoy asks it: the target follows the prefix."""
        if not url.target.path.startswith(_OWN_ENDPOINT):
            return url
        path = url.target.path.removeprefix(_OWN_ENDPOINT)
        target = parse_target(f"/{path}?{url.target.query}")
        self.notes.append(
            "The URL asks this verifier's own /ext-authz endpoint; the room is what stands behind."
        )
        return url if target is None else replace(url, target=target)

    def _take_one(self, sent: str | None, hidden: str | None) -> None:
        if sent is not None and hidden is not None and sent != hidden:
            self.notes.append(
                "The URL has another token in its fragment (#jwt=), and that is the one which the"
                " web client uses; the one in the query was judged, which a proxy sees."
            )
        elif sent is None and hidden is not None:
            self.notes.append(
                "The token is in the URL's fragment (#jwt=), which no proxy ever sees: the page"
                " itself is asked for without a token, and only the signalling that follows"
                " carries it."
            )
        text = hidden if sent is None else sent
        if text is not None:
            self._take(text)

    def _take(self, text: str) -> None:
        self.token, note = unwrap(text)
        self.notes += [note] if note else []


def parse_room(text: str) -> RoomAddress:
    """Bring ``name`` or ``tenant/name``, as people write them, to the form that clients send.

    Raises:
        UnreadableError: nothing is left of the name in that form, it is too long for an address,
            or the tenant is none that a URL can name.
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
        UnreadableError: it is none that a URL can name.
    """
    target = parse_target(f"/{text}/room")
    if target is None or target.address is None or target.address.tenant is None:
        raise UnreadableError("expected one segment of a path, without special characters")
    return target.address.tenant


def _absolute(text: str) -> str:
    if text.startswith("/"):
        return f"https://localhost{text}"
    if "://" not in text.partition("?")[0]:
        return f"https://{text}"
    socket = _SOCKET.match(text)
    return f"http{socket[1]}{text[socket.end() :]}" if socket else text
