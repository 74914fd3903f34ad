"""The address that a refused reader is sent to: a template, and what is filled in.

What is filled in can change neither scheme nor host, so that nobody but the operator says where
people are sent.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

PLACEHOLDERS: Final = ("code", "room", "url")
"""What may stand in a template, in braces."""

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


def unknown_placeholders(template: str) -> list[str]:
    """Name the placeholders that have no meaning, each once, with their braces."""
    found = dict.fromkeys(_PLACEHOLDER.findall(template))
    return [f"{{{name}}}" for name in found if name not in PLACEHOLDERS]


def has_stray_brace(template: str) -> bool:
    """Tell whether a brace belongs to no placeholder."""
    rest = _PLACEHOLDER.sub("", template)
    return "{" in rest or "}" in rest


def fill(template: str, *, code: str, room: str, url: str) -> str:
    """Put values into a template, percent-encoded so that each stays within its place."""
    values = {"code": code, "room": room, "url": url}
    return _PLACEHOLDER.sub(lambda found: quote(values[found[1]], safe=""), template)
