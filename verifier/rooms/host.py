"""What a ``Host`` header may be: a plain host and port."""

from __future__ import annotations

import re
from typing import Final

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")


def is_plain_host(host: str) -> bool:
    """Tell whether it is one: no user, path, list or blanks, and a port that exists."""
    match = _HOST.fullmatch(host)
    return match is not None and int(match[1] or 0) <= 65535
