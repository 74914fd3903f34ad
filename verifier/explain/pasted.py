"""Reads a token, a join URL or a room that a person pasted or typed.

URLs are read exactly as the service reads them, and a token in a query is taken as it is. All
around a URL or a token is read more leniently than in the service: quotes, ``Bearer``, a missing
scheme, the scheme of an app. ``PastedInput.notes`` names each such liberty, so that an explanation
never hides what the service would refuse.

To accept another form: ``encodings`` for what a program does to a whole text, ``request_text`` for
lines of logs, ``wrappings`` for what surrounds a token, ``link_search`` for what counts as a link,
and ``links`` for mistakes in a link.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from verifier.explain.encodings import undo_encodings
from verifier.explain.link_search import (
    find_inner_link,
    find_link,
    has_scheme,
    is_link,
    make_absolute,
    with_ascii_host,
)
from verifier.explain.links import (
    Finding,
    explain_blank_in_room,
    explain_no_room,
    find_stray_token,
)
from verifier.explain.request_text import (
    find_authorization,
    find_path,
    find_request,
    without_referrers,
)
from verifier.explain.typed_room import UnreadableError, parse_room
from verifier.explain.wording import INVISIBLE
from verifier.explain.wrappings import unwrap
from verifier.rooms.url import EXT_AUTHZ_PREFIX, Url, fragment_token, parse_target, parse_url
from verifier.rules.model import AccessRequest
from verifier.rules.policy import Policy
from verifier.rules.room import access_request, jid_request
from verifier.tokens.redact import find_tokens

_QUOTED: Final = re.compile(
    r"([\"'<(\[`\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u201a\u2039\u203a])(.+)"
    r"[\"'>)\]`\u201c\u201d\u00bb\u00ab\u2018\u2019\u203a\u2039]",
    re.DOTALL,
)
NO_HOST: Final = (
    "No host was given, so the options at the top of the configuration were used, and no [hosts]"
    " table."
)
_MOST_REDIRECTS: Final = 3
_BLANKS: Final = " \t\r\n"


@dataclass(slots=True)
class PastedInput:
    """What the texts contained that were read so far.

    Attributes:
        token: The first token.
        url: The last URL; it names the room.
        host: The host in the last URL; None if there is no URL, or only a path.
        ambiguity: Why the last URL has two readings; empty if it has one.
        notes: How the texts were changed, and what follows from them.
        findings: What is wrong with the last URL.
    """

    token: str | None = field(default=None, repr=False)
    url: Url | None = field(default=None, repr=False)
    host: str | None = None
    ambiguity: str = ""
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def read(self, text: str) -> None:
        """Read a text that is a token or a URL.

        Raises:
            UnreadableError: The text is a URL that no client could request.
        """
        text = self._strip(text)
        if not is_link(text):
            text, notes = undo_encodings(text)
            self.notes += notes
        if self._read_link(text) or self._read_request(text) or self._read_link_in(text):
            return
        self._read_token(text)

    def _strip(self, text: str) -> str:
        """Return a text without blanks around it; browsers remove only those that are visible."""
        text = text.strip(_BLANKS)
        bare = text.strip("".join(INVISIBLE))
        if bare != text:
            end, odd = ("beginning", text[0]) if text[0] in INVISIBLE else ("end", text[-1])
            self.notes.append(
                f"{INVISIBLE[odd]} at the {end} of the text was left out. In a link or a token, the"
                " service would refuse it."
            )
        return bare

    def _read_link(self, text: str) -> bool:
        """Read a text that is a link, perhaps in quotes; return whether it is one."""
        quoted = _QUOTED.fullmatch(text)
        inner = quoted[2].strip(_BLANKS) if quoted else text
        # Slack writes <link|words>, and MediaWiki [link words].
        words = {"<": "|", "[": " "}.get(quoted[1]) if quoted else None
        if words:
            inner = inner.partition(words)[0]
        if not is_link(inner):
            return False
        try:
            self.read_url(inner)
        except UnreadableError:
            # Without a scheme, the text only looked like a link.
            if has_scheme(inner):
                raise
            return False
        return True

    def _read_request(self, text: str) -> bool:
        """Read a text that describes a request, such as a line of a log; return whether it does."""
        url = find_request(text)
        if url is None:
            return False
        try:
            self.read_url(url)
        except UnreadableError:
            return False
        self.notes.append("The request was taken out of the text around it.")
        header = find_authorization(text)
        if self.token is None and header is not None:
            self._read_token_beside(header)
        elif self.token is None and next(find_tokens(text), None) is not None:
            self.notes.append(
                "The request has no token. One stands elsewhere in the text, where the service does"
                " not read it, such as in the address of the page (Referer)."
            )
        return True

    def _read_link_in(self, text: str) -> bool:
        """Read the first link within a text; return whether there is one."""
        # The page that made a request (Referer) may come first.
        without = without_referrers(text)
        place = find_link(without)
        if place is not None:
            text = without
        elif without != text:
            place = find_link(text)
        if place is None:
            return self._read_path_in(text)
        begin, end = place
        try:
            self.read_url(text[begin:end])
        except UnreadableError:
            return False
        self.notes.append("The link was taken out of the text around it.")
        if self.token is None:
            self._read_token_beside(f"{text[:begin]} {text[end:]}")
        return True

    def _read_path_in(self, text: str) -> bool:
        """Read the first path with a token within a text; return whether there is one."""
        path = find_path(text)
        if path is None:
            return False
        self.read_url(path)
        self.notes.append("The path was taken out of the text around it.")
        return True

    def read_url(self, text: str) -> None:
        """Read the room and the token of a URL; a token that was read before stays.

        Raises:
            UnreadableError: No client could request the URL.
        """
        is_path = text.startswith("/")
        text, note = make_absolute(text.strip(_BLANKS))
        text = self._follow(with_ascii_host(text))
        url = parse_url(text)
        if url is None:
            raise UnreadableError(
                "expected an http or https URL with a host and without a user name"
            )
        self.notes += [note] if note else []
        self.url = self._skip_own_endpoint(url)
        self.host = None if is_path else url.host
        tokens = {*url.target.jwt, *url.target.token}
        if url.target.ambiguous:
            self.ambiguity = "a parameter twice, or a prefix that is not the path's tenant"
        elif len(tokens) > 1:
            self.ambiguity = "two tokens that differ"
        elif self.token is None:
            self._choose_token(tokens.pop() if tokens else None, fragment_token(text))
        elif tokens - {self.token}:
            self.notes.append("The URL contains another token, which was ignored.")
        self._find_mistakes(text)

    def _follow(self, url: str) -> str:
        """Return the link to which a link of another site leads; else the link itself."""
        for _ in range(_MOST_REDIRECTS):
            inner = find_inner_link(url)
            if inner is None:
                break
            outer, url = parse_url(url), inner
            self.notes.append(
                f"The link is one of {outer.host if outer else 'another site'}, and it leads to the"
                " link within it, which was read."
            )
        return url

    def read_room(self, text: str | None) -> str | None:
        """Read a room that may be a URL; return the text if it is a name or an address.

        Raises:
            UnreadableError: No client could request the URL.
        """
        if text is None or not ("://" in text or text.lstrip().startswith("/")):
            return text
        self.read_url(text)
        return None

    def _find_mistakes(self, text: str) -> None:
        """Remember what is wrong with the place of the token and of the room."""
        if self.url is None:
            return
        target = self.url.target
        stray = find_stray_token(text) if self.token is None else None
        found = (stray, explain_no_room(target), explain_blank_in_room(target))
        self.findings = [finding for finding in found if finding is not None]

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
        if in_query is not None:
            self.token = in_query  # as it is: the service removes nothing from it
        elif in_fragment is not None:
            self._read_token(in_fragment)

    def _read_token_beside(self, text: str) -> None:
        if next(find_tokens(text), None) is not None:
            self._read_token(f" {text}")
            self.notes.append("The token is not in the link, but in the text around it.")

    def _read_token(self, text: str) -> None:
        self.token, note = unwrap(text)
        self.notes += [note] if note else []
