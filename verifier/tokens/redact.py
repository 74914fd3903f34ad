"""Tokens in what people read, found by their looks: who shows a value need not know where from."""

from __future__ import annotations

import re
from typing import Final

# A compact token, in a room's lower-case form too: a JSON object in base64url, a dot, and more.
# An object begins with a brace and a quote (eyI to eyL), a space (eyA) or another blank (ewo, ew0,
# ewk); whatever else begins with ew or ey is a name. It is looked for only where a word begins, so
# that long texts are looked at once.
_TOKEN: Final = re.compile(
    r"(?<![\w-])-*+e(?:y[ai-l]|w[ok0])[\w-]{9,}+\.[\w-]{10,}+[\w.-]*", re.IGNORECASE | re.ASCII
)


def hide_tokens(text: str) -> str:
    """Put "[token]" in the place of whatever looks like one."""
    return _TOKEN.sub("[token]", text)
