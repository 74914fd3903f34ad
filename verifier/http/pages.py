"""What only room pages get: refused readers can be sent elsewhere, and links can be handed off.

Signalling is answered to programs, which follow no such advice. Knows no rule.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from verifier.core.clean_target import may_hold_token, without_tokens
from verifier.core.decision import Decision, DenialCode, Deny
from verifier.core.redirect import fill
from verifier.http.gate import Original
from verifier.http.handoff import REDIRECT, Handoff

_LONGEST_REDIRECT: Final = 4_096


class Pages:
    """Completes the answers to page requests.

    Args:
        denied_redirect_url: Template of the address for refused readers; None for none.
        handoff: Moves tokens out of URLs; None where they stay.
    """

    def __init__(
        self, denied_redirect_url: str | None = None, handoff: Handoff | None = None
    ) -> None:
        self._denied_redirect_url = denied_redirect_url
        self._handoff = handoff

    def admits(self, request: web.BaseRequest, original: Original) -> bool:
        """Tell whether a page without a token is opened by what an earlier one left behind."""
        return self._handoff is not None and self._handoff.admits(request, original)

    def complete(
        self,
        response: web.Response,
        request: web.BaseRequest,
        endpoint: str,
        original: Original,
        decision: Decision,
    ) -> web.Response:
        """Give the answer to send: the one that says the decision, or what becomes of it."""
        if isinstance(decision, Deny):
            address = self._address_for_refused(original, decision)
            if address is not None:
                response.headers[REDIRECT] = address
        elif self._handoff is not None:
            return self._handoff.answer(request, endpoint, original, decision) or response
        return response

    def _address_for_refused(self, original: Original, denial: Deny) -> str | None:
        """Say where a reader is to be sent; an outage is not cured by a new token."""
        template, target = self._denied_redirect_url, original.target
        if template is None or target.signalling or denial.code is DenialCode.KEYS_UNAVAILABLE:
            return None
        room = target.address.room if target.address else ""
        url = f"https://{original.host}{without_tokens(target)}"
        if may_hold_token(url):
            room = url = ""
        address = fill(template, code=denial.code, room=room, url=url)
        return address if len(address) <= _LONGEST_REDIRECT else None
