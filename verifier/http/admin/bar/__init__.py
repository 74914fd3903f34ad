"""The bar at the top of every page of the admin address, and the style that the pages share.

A page has the line ``<!-- bar -->`` where the bar stands, and loads ``bar.css`` and ``bar.js``. The
script reads ``/readyz``, which needs no authorization.
"""

from __future__ import annotations

from typing import Final

from verifier.http.admin.assets import Assets

BAR: Final = Assets(__name__, {f"/{name}": name for name in ("bar.css", "bar.js", "bar.svg")})
"""The files of the bar."""
