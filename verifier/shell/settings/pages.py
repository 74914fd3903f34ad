"""Options of room pages that need more than one look: where refused readers are sent."""

from __future__ import annotations

from typing import Any

from verifier.core.redirect import unknown_placeholders
from verifier.shell.settings.problems import shown
from verifier.shell.settings.sources import Reading


def check_pages(reading: Reading, values: dict[str, Any]) -> None:
    """Note what is wrong."""
    unknown = unknown_placeholders(values["denied_redirect_url"] or "")
    if unknown:
        expected = "no placeholders but {code}, {room} and {url}"
        reading.refuse("denied_redirect_url", shown(unknown), expected)
