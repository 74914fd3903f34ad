"""What only room pages get: a refused reader can be sent elsewhere.

Signalling is answered to programs, which follow no such advice. Knows no rule.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from verifier.core.clean_target import without_tokens
from verifier.core.decision import Decision, DenialCode, Deny
from verifier.core.redirect import fill
from verifier.http.gate import Original

REDIRECT: Final = "X-Jitsi-Redirect"
"""Where the proxy may send the reader instead of showing the denial."""

_LONGEST_REDIRECT: Final = 4_096


class Pages:
    """Completes the answers to page requests.

    Args:
        denied_redirect_url: Template of the address for refused readers; None for none.
    """

    def __init__(self, denied_redirect_url: str | None = None) -> None:
        self._denied_redirect_url = denied_redirect_url

    def complete(self, response: web.Response, original: Original, decision: Decision) -> None:
        """Say where a refused reader is to be sent; an outage is not cured by a new token."""
        template = self._denied_redirect_url
        if template is None or original.target.signalling or not isinstance(decision, Deny):
            return
        if decision.code is DenialCode.KEYS_UNAVAILABLE:
            return
        address = original.target.address
        url = f"https://{original.host}{without_tokens(original.target)}"
        room = address.room if address else ""
        redirect = fill(template, code=decision.code, room=room, url=url)
        if len(redirect) <= _LONGEST_REDIRECT:
            response.headers[REDIRECT] = redirect
