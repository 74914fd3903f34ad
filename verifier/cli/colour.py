"""Colours of a terminal."""

from __future__ import annotations

import os
import sys


def wants_colour() -> bool:
    """Return whether the output should be coloured (https://no-color.org)."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def painted(text: str, style: str, *, colour: bool) -> str:
    """Return a text in a style, the parameters of ``SGR``, if the output is coloured."""
    return f"\x1b[{style}m{text}\x1b[0m" if colour else text
