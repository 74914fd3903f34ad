"""Says what is wrong with the place of the token and of the room in a link.

A link's token counts only as ``jwt`` or ``token`` in the query (and, for the web client, as
``#jwt=``). ``find_stray_token`` finds a token that stands elsewhere in the link;
``explain_no_room`` says why the path names no room. Neither changes a decision.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from verifier.explain.wording import INVISIBLE, hide_pieces, in_backquotes
from verifier.rooms.percent import has_many_broken_escapes, percent_decoded
from verifier.rooms.query import has_too_many_parameters
from verifier.rooms.url import Target
from verifier.rules.model import DenialCode
from verifier.tokens.redact import HIDDEN, find_tokens, hide_tokens

_MAX_SHOWN: Final = 40
_MAX_READ: Final = 512
_GUEST_CODES: Final = frozenset({DenialCode.TOKEN_MISSING, DenialCode.AUTHENTICATION_REQUIRED})
_ROOM_CODES: Final = frozenset({DenialCode.ROOM_ADDRESS_INVALID})
_BLANK: Final = re.compile(f"[\\s{''.join(INVISIBLE)}\\x00-\\x1f\\x7f-\\x9f]")


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a link.

    Attributes:
        codes: The denials that it explains.
        cause: One sentence.
        cure: What to change.
    """

    codes: frozenset[DenialCode]
    cause: str
    cure: str


def find_stray_token(url: str) -> Finding | None:
    """Return where a token stands in a link, if it does not count there.

    Args:
        url: An absolute URL of which no parameter is a token.
    """
    rest = url.partition("://")[2]
    before, _, fragment = rest.partition("#")
    head, _, query = before.partition("?")
    path = head[head.find("/") :] if "/" in head else ""
    found = _before_token(path)
    if found is not None:
        return _stray(*_explain_path(found))
    if not has_too_many_parameters(query):
        for part in query.split("&"):
            found = _before_token(part)
            # A parameter that is there twice stands in its place.
            if found is not None and found not in ("jwt=", "token="):
                return _stray(*_explain_parameter(found))
    found = _before_token(fragment)
    return None if found is None else _stray(*_explain_fragment(found))


def _stray(cause: str, cure: str) -> Finding:
    return Finding(_GUEST_CODES, cause, cure)


def _before_token(text: str) -> str | None:
    """Return what stands before the first token in a part of a link; None without a token."""
    for form in (text, "" if has_many_broken_escapes(text) else percent_decoded(text, "replace")):
        begin = next((begin for begin, _ in find_tokens(form)), None)
        if begin is not None:
            return form[:begin]
    return None


def _shown(text: str) -> str:
    # Before the text is cut: the end of a token does not look like a token. What stands behind one
    # may be the rest of it.
    before, token, _ = hide_tokens(text).partition(HIDDEN)
    text = hide_pieces(f"{before}{token}"[-_MAX_READ:])
    return in_backquotes(text if len(text) <= _MAX_SHOWN else f"…{text[-_MAX_SHOWN:]}")


def _explain_path(before: str) -> tuple[str, str]:
    segment = before.rpartition("/")[2]
    write = "Write https://HOST/ROOM?jwt=TOKEN."
    if re.search(r"%3f", before, re.IGNORECASE):
        cause = "is percent-encoded (%3F), so that the token is a part of the room's name"
        return (
            f"The question mark before the token {cause}.",
            f"Write a plain question mark. {write}",
        )
    if not segment:
        cause = "The token stands in the path, as a segment of its own, where it does not count."
        return cause, write
    where = re.search(r"(?:&amp;|[&;?,!$]).*$", segment, re.DOTALL)
    behind = _shown(where[0] if where else segment)
    cause = (
        f"The token stands in the path, behind {behind}, where it does not count: a link's"
        " parameters begin with a question mark."
    )
    return cause, f"{write} Only further parameters begin with &."


def _explain_parameter(before: str) -> tuple[str, str]:
    encoded = "=" not in before and re.search(r"%3d$", before, re.IGNORECASE)
    name, equals, value = percent_decoded(before, "replace").partition("=")
    if encoded:
        cause = f"The equals sign before the token is percent-encoded, {_shown(before)}."
        return cause, "Write ?jwt=TOKEN."
    bare = re.sub(r"^(?:amp;|[?;]|\\u0026)+", "", name)
    if bare != name and bare in ("jwt", "token"):
        mistake = "a second mark stands before the parameter's name"
        if "amp;" in name:
            mistake = "& was written as in HTML, &amp;"
        cause = (
            f"The token stands behind {_shown(name + equals)}, where it does not count: {mistake}."
        )
        return cause, "Write ?jwt=TOKEN, or &jwt=TOKEN behind another parameter."
    cure = "Name the parameter jwt: https://HOST/ROOM?jwt=TOKEN."
    if not name.strip():
        return "The token stands in the query without a parameter's name.", cure
    if not equals:
        return f"The token stands behind {_shown(name)}, and an equals sign is missing.", cure
    if value.endswith(("\\u0026jwt=", "\\u0026token=")):
        return (
            "The token stands behind `\\u0026`: & was written as in JSON, \\u0026.",
            "Write ?jwt=TOKEN, or &jwt=TOKEN behind another parameter.",
        )
    inner = re.search(r"(?:&amp;|[?&;#/,]).*$", value, re.DOTALL)
    if inner:
        cause = (
            f"The token stands behind {_shown(inner[0])} within the parameter {_shown(name)}, where"
            " it does not count."
        )
        return (
            cause,
            "Separate parameters with &, not encoded, and write one question mark: ?a=b&jwt=TOKEN.",
        )
    if name.strip().lower() in ("jwt", "token"):
        cause = (
            f"The token stands in the parameter {_shown(name)}, where it does not count: names are"
            " compared exactly, and this one is jwt."
        )
        return cause, cure
    cause = f"The token stands in the parameter {_shown(name)}, which no part of Jitsi reads."
    return cause, cure


def _explain_fragment(before: str) -> tuple[str, str]:
    behind = _shown(f"#{percent_decoded(before, 'replace')}")
    cause = (
        f"The token stands in the fragment, behind {behind}, where it does not count: everything"
        " behind # stays in the browser, and no proxy sees it."
    )
    return cause, "Write ?jwt=TOKEN before the #: https://HOST/ROOM?jwt=TOKEN#config.x=1."


def explain_no_room(target: Target) -> Finding | None:
    """Return why a link's path names no room; None if it names one."""
    if target.address is not None:
        return None
    if target.signalling:
        return Finding(_ROOM_CODES, *_explain_signalling(target))
    return Finding(_ROOM_CODES, *_explain_page(target.path))


def _explain_signalling(target: Target) -> tuple[str, str]:
    path = _shown(target.path)
    if not target.room:
        cause = f"The link {path} is of signalling, and has no parameter room."
    elif not target.room[0].strip():
        cause = f"The link {path} is of signalling, and its parameter room is empty."
    else:
        cause = f"The link {path} is of signalling, and its parameters name no room and tenant."
    return cause, "Add room=ROOM to the query of http-bind and xmpp-websocket."


def _explain_page(path: str) -> tuple[str, str]:
    decoded = path if has_many_broken_escapes(path) else percent_decoded(path, "replace")
    blank = _BLANK.search(path)
    name = path.strip("/").rpartition("/")[2]
    if not path.strip("/"):
        return "The link names no room.", "Name a room: https://HOST/ROOM."
    if blank:
        kind = INVISIBLE.get(blank[0], "A control character")
        where = _shown(path[: blank.start()])
        cure = "Remove it, or write %20 for a blank in a room's name."
        return f"{kind} stands in the link, behind {where}, so that it names no room.", cure
    if path.endswith("/") and path.rstrip("/"):
        cure = f"Remove the slash: {_shown('/' + path.strip('/'))}."
        return f"A slash stands behind the room, {_shown('/' + name)}.", cure
    write = "Write https://HOST/ROOM, or https://HOST/TENANT/ROOM."
    if "//" in path:
        return "Two slashes stand one behind the other in the link.", write
    if "\\" in path or re.search(r"%(?:2f|5c)", path, re.IGNORECASE):
        return "A backslash, or a slash in percent-encoding, stands in the link.", write
    if re.search(r"/\.{1,2}(?:/|$)", decoded):
        return "A dot segment, /./ or /../, stands in the link.", write
    if path.count("/") > 2:
        cause = (
            f"The link has {path.count('/')} names between its slashes, and no room has so many."
        )
        return cause, write
    if "\x00" in decoded:
        return "A NUL character stands in the link.", write
    return f"The link's path, {_shown(path)}, is the name of no room.", write


def explain_blank_in_room(target: Target) -> Finding | None:
    """Return what is wrong with a room whose name has blanks at its ends, or invisible letters."""
    path = target.path
    if target.address is None or has_many_broken_escapes(path):
        return None
    name = percent_decoded(path, "replace").rpartition("/")[2]
    blank = _BLANK.search(name)
    if blank is None or (blank[0] == " " and name == name.strip()):
        return None
    kind = INVISIBLE.get(blank[0], "A control character")
    return Finding(
        frozenset({DenialCode.ROOM_MISMATCH}),
        f"{kind} stands in the room's name in the link, {_shown(name)}.",
        "Remove it from the link.",
    )
