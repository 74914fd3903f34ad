"""The URL that a browser is sent to on a denial: a template and the values for its placeholders.

Values are percent-encoded and come behind the host. A token or a URL can therefore not change the
site that a browser is sent to; only the operator can.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

PLACEHOLDERS: Final = ("code", "room", "url")
"""The placeholders that a template may have, in braces."""

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


def unknown_placeholders(template: str) -> list[str]:
    """Return the placeholders that are not known, each once, with their braces."""
    found = dict.fromkeys(_PLACEHOLDER.findall(template))
    return [f"{{{name}}}" for name in found if name not in PLACEHOLDERS]


def has_stray_brace(template: str) -> bool:
    """Return whether a brace belongs to no placeholder."""
    rest = _PLACEHOLDER.sub("", template)
    return "{" in rest or "}" in rest


def fill(template: str, *, code: str, room: str, url: str) -> str:
    """Return the URL: the template with percent-encoded values in place of its placeholders."""
    values = {"code": code, "room": room, "url": url}
    return _PLACEHOLDER.sub(lambda found: quote(values[found[1]], safe=""), template)
