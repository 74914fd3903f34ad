"""Takes a token out of the text that a language, a shell or a tool has put around it.

``unwrap`` never changes a token itself, and leaves a text alone that begins with a token: what
stands behind it then is a mistake, which ``form_suggestions`` names.
"""

from __future__ import annotations

import re
from typing import Final

from verifier.explain.form_suggestions import TOKEN
from verifier.tokens.redact import find_tokens

_WRAPPINGS: Final = (
    re.compile(r"(?:authorization:\s*)?bearer\s+(?P<token>.+)", re.IGNORECASE | re.DOTALL),
    re.compile(r"([\"'])(?P<token>.+)\1", re.DOTALL),
)
_MAX_WRAPPINGS: Final = 4  # no mistake has more, and each one costs time in the text's length
_MAX_TOKENS: Final = 16
_BEFORE: Final = 64  # characters before a token that say what kind of text it stands in

_USUAL_NOTE: Final = (
    "'Bearer ' or quotes were removed from the token for this explanation. In a URL, the"
    " service itself would refuse the token with them."
)
_PYTHON: Final = (
    "The token was written as Python's bytes: decode them, token.decode(). b'…' was removed for"
    " this explanation. The service itself would refuse the token with it."
)
_KINDS: Final = (
    # What stands before the token, and how the note names the text.
    (re.compile(r"[\"'][\w-]+[\"']\s*:\s*[\"']$", re.ASCII), "a JSON object"),
    (re.compile(r"[?&#][\w-]+=$", re.ASCII), "a parameter of a URL"),
    (re.compile(r"\bbearer\s+$", re.IGNORECASE), "an Authorization header"),
    (re.compile(r"[\w-]\s*(?:=>|:=|=)\s*[\"'`]?$", re.ASCII), "an assignment"),
    (re.compile(r"[\w-]\s*:\s*[\"'`]?$", re.ASCII), "a member or header with its name"),
    (re.compile(r"[\"'`\u201c\u2018\u00ab]$"), "quotes"),
    (re.compile(r"[(\[{<>]$"), "brackets"),
)


def unwrap(text: str) -> tuple[str, str | None]:
    """Remove what stands around a token.

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
    found, note = _take_out(bare)
    if note:
        return found, note
    return (token, None) if bare == token else (bare, _USUAL_NOTE)


def _take_out(text: str) -> tuple[str, str]:
    """Return the first token of a text that begins with something else, and a note."""
    places = []
    for begin, _ in find_tokens(text, _MAX_TOKENS):
        match = TOKEN.match(text, begin)
        if match is not None:
            places.append((begin, match[0]))
        if len(places) == _MAX_TOKENS:
            break
    if not places or places[0][0] == 0:
        return text, ""
    begin, token = places[0]
    before = text[max(0, begin - _BEFORE) : begin]
    if re.match(r"[\w.-]", before[-1]) and not re.search(r"%[0-9A-Fa-f]{2}$", before):
        return text, ""
    token = _with_empty_signature(token, text[begin + len(token) :])
    note = _describe(before)
    if len({found for _, found in places}) > 1:
        note += " The text has several tokens; the first of them is explained."
    return token, note


def _with_empty_signature(token: str, rest: str) -> str:
    """Return a token of two parts with the dot that stands before its empty signature."""
    return f"{token}." if token.count(".") == 1 and rest.startswith(".") else token


def _describe(before: str) -> str:
    if re.search(r"\bb[\"']$", before):
        return _PYTHON
    kind = next((kind for pattern, kind in _KINDS if pattern.search(before)), "other text")
    return (
        f"The token was taken out of the text around it ({kind}) for this explanation. In a URL,"
        " the service itself would refuse the token with it."
    )
