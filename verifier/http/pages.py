"""What is added to the responses to page requests: redirects after denials, and hand-offs.

Requests of the signalling connection get neither, because the programs that send them follow no
redirect.
"""

from __future__ import annotations

from typing import Final

from verifier.config.redirect_template import fill
from verifier.http.handoff import REDIRECT, Handoff
from verifier.http.handoff_cookie import HandoffCookie
from verifier.http.original_request import OriginalRequest
from verifier.http.request import Request
from verifier.http.responses import Response
from verifier.rooms.url import without_tokens
from verifier.rules.model import UNAVAILABLE_CODES, Allow, Deny
from verifier.tokens.redact import may_reveal_token

_LONGEST_REDIRECT: Final = 4_096


class Pages:
    """Adds redirects and hand-offs.

    Args:
        denied_redirect_url: The template of the address to which a denied client is sent; None for
            no redirect.
        handoff: Moves tokens out of URLs; None if tokens stay there.
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

    def find_cookie(
        self, request: Request, original: OriginalRequest
    ) -> HandoffCookie | Deny | None:
        """Return the hand-off cookie that opens a page that is requested without a token.

        Returns:
            A denial, if the token of the cookie has ended; None if the page needs a token.
        """
        return None if self._handoff is None else self._handoff.find_cookie(request, original)

    def with_redirect(
        self, response: Response, original: OriginalRequest, denial: Deny
    ) -> Response:
        """Return a denial's response, with the address to which the client is sent, if any."""
        address = self._redirect_address(original, denial)
        return response if address is None else response.with_header(REDIRECT, address)

    def browser_id(self, request: Request, original: OriginalRequest) -> str | None:
        """Return the browser's id from its cookie, or a new one; None without hand-offs."""
        return None if self._handoff is None else self._handoff.browser_id(request, original)

    def handoff_response(
        self,
        request: Request,
        endpoint: str,
        original: OriginalRequest,
        decision: Allow,
        browser_id: str | None = None,
    ) -> Response | None:
        """Return the response that moves the token out of the URL; None if the token stays."""
        if self._handoff is None:
            return None
        return self._handoff.response(request, endpoint, original, decision, browser_id)

    def _redirect_address(self, original: OriginalRequest, denial: Deny) -> str | None:
        template, target = self._denied_redirect_url, original.target
        if template is None or target.signalling:
            return None
        # A new token does not help then, so the page that issues tokens is of no use.
        if denial.code in UNAVAILABLE_CODES:
            return None
        room, url = target.address.room if target.address else "", ""
        shown = without_tokens(target, _LONGEST_REDIRECT)
        if shown is None and "{url}" in template:
            return None
        if shown is not None:
            url = f"https://{original.host}{shown}"
        # The address goes to another site, which must not get a token. `without_tokens` removes the
        # usual parameters; a token may be in another place too, such as the path.
        if shown is None or may_reveal_token(url):
            room = url = ""
        address = fill(template, code=denial.code, room=room, url=url)
        return address if len(address) <= _LONGEST_REDIRECT else None
