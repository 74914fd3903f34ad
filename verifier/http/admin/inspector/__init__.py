"""The token inspector at ``/``: shows the explanation of a token, from ``/v1/explain``.

``/v1/explain`` is guarded. The files hold no token, no rule and no secret.
"""

from __future__ import annotations

from typing import Final

from verifier.http.admin.assets import Assets

_FILES: Final = (
    "inspector.css",
    "inspector.js",
    "inspector-answer.js",
    "inspector-token.js",
    "inspector-sample.js",
    "inspector-words.js",
)
INSPECTOR: Final = Assets(
    __name__, {"/": "inspector.html", **{f"/{name}": name for name in _FILES}}
)
"""The page and its files."""
