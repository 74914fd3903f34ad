"""Identity headers of an allowed request, and the spellings with which a client may forge them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

EXPIRES: Final = 98753496345768
"""The ``exp`` of the token that ``IDENTITY`` describes."""

IDENTITY: Final = {
    "X-Jitsi-Room": "standup",
    "X-Jitsi-Tenant": "acme",
    "X-Jitsi-Subject": "%2A",
    "X-Jitsi-Issuer": "booking-site",
    "X-Jitsi-User-Id": "u-1",
    "X-Jitsi-User-Name": "Ada%20Lovelace",
    "X-Jitsi-User-Email": "ada@example.org",
    "X-Jitsi-Group": "-",
    "X-Jitsi-Moderator": "false",
    "X-Jitsi-Affiliation": "member",
    "X-Jitsi-Features": "-",
    "X-Jitsi-Expires": str(EXPIRES),
}
"""Headers for a token of ``tests.system.nginx.sites.mint`` in ``/acme/http-bind?room=standup``."""

NOT_FORWARDED: Final = ("X-Jitsi-Would-Deny", "X-Jitsi-Denial")
"""Headers that an allowed request does not have; a client may not add them either."""

SPELLINGS: Final[tuple[Callable[[str], str], ...]] = (
    str,
    str.lower,
    str.upper,
    lambda name: name.replace("-", "_"),
    lambda name: name.replace("X-Jitsi", "X_Jitsi"),
    lambda name: name.replace("X-Jitsi-", "X-Jitsi_"),
    lambda name: name.replace("-", "."),
)
"""Ways to write a header's name that some program reads as the same name."""
