"""Recognises a link, finds the one in a text, and makes an absolute http or https URL of it.

People paste links with the schemes of apps, with text around them, wrapped at the ends of lines,
and within the links of programs that protect mail.
"""

from __future__ import annotations

import re
from typing import Final

from verifier.explain.wording import make_printable
from verifier.rooms.percent import has_many_broken_escapes, percent_decoded
from verifier.rooms.query import has_too_many_parameters
from verifier.tokens.redact import find_tokens

_SCHEMES: Final = re.compile(r"(?P<names>(?:[A-Za-z][A-Za-z0-9+.-]{0,63}:){1,4})//", re.ASCII)
# A host with a path, or with a token in its parameters.
_WITHOUT_SCHEME: Final = re.compile(
    r"[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}(?::[0-9]{1,5})?/"
    r"|[\w\[\u00c0-\u1fff\u3040-\uffef][^\s\"'<>{}()/?#&=]*(?:/[^?#]*)?[?#](.*&)?(jwt|token)=",
    re.DOTALL | re.ASCII,
)
_WEB: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_NO_LINKS: Final = frozenset(
    {"ftp", "ftps", "sftp", "file", "mailto", "data", "javascript", "about", "blob", "ssh", "tel"}
    | {"xmpp", "redis", "rediss", "sqlite", "unix", "ldap", "ldaps", "git", "s3"}
)
_LABELS: Final = frozenset(
    {"url", "uri", "urlto", "link", "href", "location", "description", "view-source"}
)
"""What calendars, QR codes and browsers write in front of a link; no schemes of apps."""
_INTENT: Final = "#Intent;"
_LINK_BEGINS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]{0,63}\Z", re.ASCII)
# A backslash begins an escape of the text around the link.
_LINK_ENDS: Final = re.compile(r"[\s\"'<>`\\\u201c-\u201f\u00ab\u00bb\u2039\u203a]")
_NOT_BEFORE_LINK: Final = re.compile(r"[A-Za-z0-9%&?/#+.=@-]\Z")
_ASSIGNED: Final = re.compile(r"(?:\A|[\s<;\[{(,])[\w.-]{1,63}=[\"']?\Z")
_WRAPPED_LINE: Final = re.compile(r"[ \t]*\r?\n[ \t]*(?P<rest>[\w.-]+)[ \t]*(?=\r?\n|\Z)", re.ASCII)
_TOKEN_AT_END: Final = re.compile(r"[?&#](?:jwt|token)=[\w.-]+(?:\s+[\w.-]+)*\Z", re.ASCII)
# What stands behind a token within a text, and not in a link.
_AFTER_TOKEN: Final = re.compile(
    r"[?&#](?:jwt|token)=[\w.-]+(?P<end>[^\s\w.&#?/%=+~*\\\"'-])", re.ASCII
)
_TYPO: Final = re.compile(r"(https?)(?::/|//)(?=[^\s/:?#]+\.[^\s/:?#]+/)", re.IGNORECASE)
_HOST: Final = re.compile(r"(?<=://)[^/?#:@\s]{1,253}")
_SHORTEST_REST: Final = 16
_MOST_LINES: Final = 128
_MOST_MARKS: Final = 8
_INNER: Final = re.compile(r"https?://(?P<rest>[^/?#].*)", re.IGNORECASE | re.DOTALL)


def is_link(text: str) -> bool:
    """Return whether a text begins with a link, and not with a token that has a slash behind it."""
    if not has_scheme(text) and _WITHOUT_SCHEME.match(text) is None:
        return False
    return "://" in text or next((begin for begin, _ in find_tokens(text)), None) != 0


def has_scheme(text: str) -> bool:
    """Return whether a text begins with a scheme such as ``https://``, or is a path."""
    return text.startswith("/") or _SCHEMES.match(text) is not None


def make_absolute(text: str) -> tuple[str, str]:
    """Return a link as an absolute http or https URL, and a note if its scheme was changed.

    As the web client does, the schemes of apps are taken for https. A scheme of other programs
    stays, so that the link is refused.
    """
    if text.startswith("/"):
        return f"https://localhost{text}", ""
    typo = _TYPO.match(text)
    if typo is not None:
        note = f"The link begins with {typo[0]}, and was read as {typo[1]}://."
        return f"{typo[1]}://{text[typo.end() :]}", note
    schemes = _SCHEMES.match(text)
    if schemes is None:
        return (text if "://" in text.partition("?")[0] else f"https://{text}"), ""
    names = schemes["names"].lower().rstrip(":").split(":")
    rest = text[schemes.end() :]
    if names[-1] in _WEB and len(names) == 1:
        return f"{_WEB[names[-1]]}://{rest}", ""
    if not _NO_LINKS.isdisjoint(names):
        return text, ""
    rest = rest.partition(_INTENT)[0]
    inner = _SCHEMES.match(rest)
    if inner is not None and inner["names"].lower().rstrip(":") in _WEB:
        names.append(inner["names"].lower().rstrip(":"))
        rest = rest[inner.end() :]
    shown = make_printable(names[0])
    note = f"The link's scheme, {shown}:, opens an app; it was read as https:."
    if names[0] in _LABELS:
        note = f"{shown}: in front of the link was left out."
    return f"{_WEB.get(names[-1], 'https')}://{rest}", note


def with_ascii_host(url: str) -> str:
    """Return an absolute URL with its host as browsers send it: ``xn--…`` for other letters."""
    host = _HOST.search(url)
    if host is None or host[0].isascii():
        return url
    try:
        name = host[0].encode("idna").decode()
    except UnicodeError:
        return url
    return f"{url[: host.start()]}{name}{url[host.end() :]}"


def find_link(text: str) -> tuple[int, int] | None:
    """Return where a link begins and ends within other text; None if there is none.

    A text that begins with a link is no such text: blanks in it are mistakes in the link.
    """
    at = text.find("://")
    while at > 0:
        name = _LINK_BEGINS.search(text, max(0, at - 64), at)
        begin = name.start() if name else 0
        before = text[max(0, begin - 65) : begin]
        if begin and (_ASSIGNED.search(before) or not _NOT_BEFORE_LINK.search(before)):
            return begin, _find_end(text, begin, at)
        at = text.find("://", at + 3)
    return None


def _find_end(text: str, begin: int, at: int) -> int:
    """Return where a link ends within a text, of which ``://`` stands at ``at``."""
    found = _LINK_ENDS.search(text, at)
    end = found.start() if found else len(text)
    for _ in range(_MOST_LINES):
        wrapped = _WRAPPED_LINE.match(text, end)
        if wrapped is None or not _goes_on(text[begin:end], wrapped["rest"]):
            break
        end = wrapped.end("rest")
    behind = _AFTER_TOKEN.search(text, begin, end)
    end = behind.start("end") if behind else end
    link = text[begin:end].rstrip(").,;]}|*~")
    # An underscore may be the last character of a token, or the mark of emphasis.
    before = text[max(0, begin - _MOST_MARKS) : begin]
    return begin + len(link.removesuffix("_" * (len(before) - len(before.rstrip("_")))))


def _goes_on(link: str, next_line: str) -> bool:
    """Return whether the next line of a text is a part of the token at the end of a link."""
    token = _TOKEN_AT_END.search(link)
    if token is None:
        return False
    return len(next_line) >= _SHORTEST_REST or token[0].count(".") < 2


def find_inner_link(url: str) -> str | None:
    """Return the link with a token to which another link leads; None if it is no such link.

    Mail programs and calendars replace links by links of their own, which redirect to the first.

    Args:
        url: An absolute URL.
    """
    outer = url.partition("://")[2]
    host = re.split(r"[/?#]", outer, maxsplit=1)[0].lower()
    head, _, query = outer.partition("?")
    found = _INNER.search(head)
    if found is not None:
        inner = re.sub(r"__;.*\Z", "", outer[found.start() :], flags=re.DOTALL)
        return inner if _leads_elsewhere(inner, host) else None
    if has_too_many_parameters(query):
        return None
    for part in query.partition("#")[0].split("&"):
        value = part.partition("=")[2]
        if re.match(r"https?(?:%3a|:)", value, re.IGNORECASE) and not has_many_broken_escapes(
            value
        ):
            inner = percent_decoded(value, "replace")
            if _leads_elsewhere(inner, host):
                return inner
    return None


def _leads_elsewhere(inner: str, host: str) -> bool:
    """Return whether a link has a token and another host."""
    found = _INNER.match(inner)
    same = found is not None and re.split(r"[/?#]", found["rest"], maxsplit=1)[0].lower() == host
    return found is not None and not same and next(find_tokens(inner), None) is not None
