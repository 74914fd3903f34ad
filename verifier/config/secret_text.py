"""The form of a written value: what editors, shells and copying leave around it.

No function here shows any part of a secret: the texts say only which form was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from verifier.keys.pem import looks_like_pem

_ARRAY: Final = re.compile(r"""\[\s*(["']).+\1\s*+,?\s*+\]""", re.DOTALL)
_OBJECT: Final = re.compile(r'\{\s*"[^"]*"\s*:.*\}', re.DOTALL)
_JWK: Final = re.compile(r'"(?:kty|keys)"\s*:')
_QUOTED_ITEM: Final = re.compile(r"""\A\s*+[\[{]?\s*+["']|["']\s*+[\]}]?\s*+\Z""")
_TYPOGRAPHIC: Final = re.compile(r"\A[\u00ab\u00bb\u2018-\u201f]|[\u00ab\u00bb\u2018-\u201f]\Z")
_COMMENT: Final = re.compile(r"\s#(?:\s|\Z)")
_BREAK: Final = re.compile(r"\r\n|\r|\n")
_LEAST_OF_SEVERAL: Final = 16
"""The least number of letters of which a part between commas may be a secret of its own."""

_EDGES: Final = {" ": "a blank", "\t": "a tab", "\n": "a line break", "\r": "a line break"}


def without_line_break(text: str) -> str:
    """Return a text without one line break at its end. PEM keeps it, as a part of its format."""
    if looks_like_pem(text):
        return text
    for end in ("\r\n", "\n", "\r"):
        if text.endswith(end):
            return text.removesuffix(end)
    return text


def unquoted(text: str) -> str:
    """Strip blanks, and the quotes that ``docker run --env-file`` leaves around a value."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


def describe_secret(text: str) -> str:
    """Return the form of a secret that cannot be used, in words."""
    if text == "":
        return "an empty string"
    found = [*_edges(text)]
    if "\0" in text:
        found.append("contains a NUL character")
    if not _is_utf8(text):
        found.append("contains bytes that are not UTF-8")
    inner = len(_BREAK.findall(text.strip())) + 1
    if inner > 1 and not looks_like_pem(text):
        found.append(f"has {inner} lines")
    form = f" that {' and '.join(found)}" if found else ""
    return f"a string (not shown){form}"


def has_blank_edges(text: str) -> bool:
    """Return whether blanks or tabs stand at the beginning or the end."""
    return text != text.strip(" \t")


def find_oddities(text: str) -> Iterator[str]:
    """Yield what people overlook in a value that is taken as it is written, in words."""
    if looks_like_pem(text):
        return
    unseen = list(dict.fromkeys(c for c in text if not c.isprintable() and c not in "\t\r\n"))
    if unseen:
        names = ", ".join(f"U+{ord(character):04X}" for character in unseen[:3])
        more = ", …" if len(unseen) > 3 else ""
        yield f"characters that cannot be seen ({names}{more}) are part of the value"
    if _TYPOGRAPHIC.search(text):
        yield "the typographic quotes around the value are part of it"
    if _COMMENT.search(text):
        yield "# and what follows it are part of the value, and no comment"
    if text.endswith("\\n"):
        yield "\\n at the end is part of the value: a backslash and a letter, no line break"


def describe_notation(text: str) -> str:
    """Return the notation in which another program wrote a secret, in words; empty if in none.

    A JWK is no such object: it is a key.
    """
    bare = text.strip()
    if _ARRAY.fullmatch(bare):
        return "an array in brackets (not shown)"
    is_object = _OBJECT.fullmatch(bare) and not _JWK.search(bare)
    return "an object in braces (not shown)" if is_object else ""


def has_quoted_items(text: str) -> bool:
    """Return whether a list between commas has the quotes or brackets of another notation."""
    bare = text.strip()
    is_array_of_words = "," in bare and bare[:1] + bare[-1:] in ("[]", "{}")
    return is_array_of_words or any(map(_QUOTED_ITEM.search, text.split(",")))


def may_be_several(text: str) -> bool:
    """Return whether each part between commas is long enough to be a secret of its own."""
    parts = text.split(",")
    return len(parts) > 1 and all(len(part.strip()) >= _LEAST_OF_SEVERAL for part in parts)


def _edges(text: str) -> list[str]:
    found = []
    if text[0] in _EDGES:
        found.append(f"begins with {_EDGES[text[0]]}")
    if without_line_break(text)[-1:] in ("\n", "\r"):
        found.append("ends with several line breaks")
    elif text[-1] in _EDGES:
        found.append(f"ends with {_EDGES[text[-1]]}")
    return found


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
