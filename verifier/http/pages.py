"""What only room pages get: refused readers can be sent elsewhere, and links can be handed off.

Signalling is answered to programs, which follow no such advice. Knows no rule.
"""

from __future__ import annotations

from typing import Final

from verifier.config.redirect_template import fill
from verifier.http.handoff import REDIRECT, Handoff
from verifier.http.original_request import Original
from verifier.http.request_head import RequestHead
from verifier.http.responses import Response
from verifier.rooms.url import without_tokens
from verifier.rules.model import Allow, DenialCode, Deny
from verifier.tokens.redact import may_reveal_token

_LONGEST_REDIRECT: Final = 4_096
_OUTAGES: Final = (
    DenialCode.KEYS_UNAVAILABLE,
    DenialCode.OVERLOADED,
    DenialCode.STORE_UNAVAILABLE,
)


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

    @property
    def hands_off(self) -> bool:
        """Whether tokens are moved out of URLs."""
        return self._handoff is not None

    def admits(self, request: RequestHead, original: Original) -> bool:
        """Tell whether a page without a token is opened by what an earlier one left behind."""
        return self._handoff is not None and self._handoff.admits(request, original)

    def send_on(self, answer: Response, original: Original, denial: Deny) -> Response:
        """Say in a refusal where its reader is to be sent, if anywhere."""
        address = self._address_for_refused(original, denial)
        return answer if address is None else answer.with_header(REDIRECT, address)

    def browser(self, request: RequestHead, original: Original) -> str | None:
        """Give what a browser is known by, or will be by a cookie; None for any other asker."""
        return None if self._handoff is None else self._handoff.browser(request, original)

    def hand_off(
        self,
        request: RequestHead,
        endpoint: str,
        original: Original,
        decision: Allow,
        browser: str | None = None,
    ) -> Response | None:
        """Move the token of an allowed page out of its URL; None where it stays."""
        if self._handoff is None:
            return None
        return self._handoff.answer(request, endpoint, original, decision, browser)

    def _address_for_refused(self, original: Original, denial: Deny) -> str | None:
        """Say where a reader is to be sent; an outage is not cured by a new token."""
        template, target = self._denied_redirect_url, original.target
        if template is None or target.signalling or denial.code in _OUTAGES:
            return None
        room = target.address.room if target.address else ""
        url = f"https://{original.host}{without_tokens(target)}"
        if may_reveal_token(url):
            room = url = ""
        address = fill(template, code=denial.code, room=room, url=url)
        return address if len(address) <= _LONGEST_REDIRECT else None
