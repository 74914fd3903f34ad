"""Lines of contrib/caddy and contrib/haproxy whose removal cannot be noticed from outside.

A test takes out every other line and demands that ``check-gate`` names what is missing, and takes
out the lines of each reason together and demands that it names nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_GATE: Final = r"\(jitsi-verifier\) > "
_ROUTE: Final = rf"{_GATE}route > "
_FORWARD: Final = rf"{_ROUTE}forward_auth @jitsi-verifier-gated 127.0.0.1:8090 > "
_PAGE: Final = r"\(jitsi-verifier-page\) > "
_ASKED: Final = r"request_headers\(txn\) > "

_CADDY: Final[Mapping[str, tuple[str, ...]]] = {
    "the denial stays, only its page or a header of it is lost": (
        rf"{_PAGE}header (Content-|>Referrer-Policy|>Vary|X-Content-Type-Options)",
        rf"{_PAGE}(request_header|templates|file_server)",
        rf"{_GATE}map {{http.request.header.Accept-Language}}",
        rf"{_GATE}map {{jitsi_verifier_accepted}} {{jitsi_verifier_language}} > ",
        rf"{_FORWARD}handle_response @jitsi-verifier-denied > copy_response_headers",
        rf"{_GATE}handle_errors 502 504",
        rf"{_ROUTE}vars ",
    ),
    "the denial stays: Caddy sends the verifier's own": (
        rf"{_FORWARD}handle_response @jitsi-verifier-denied$",
    ),
    "room pages are Jitsi's page; the gate protects the signalling": (
        rf'{_GATE}@jitsi-verifier-gated not > vars_regexp {{http.request.uri}} "\^/\(',
    ),
    "options that are off by default: handoff, token_cookie, denied_redirect_url": (
        rf'{_GATE}map "{{http.request.uri}} {{http.request.header.Cookie}}"',
        rf"{_FORWARD}header_up (Cookie|Sec-Fetch-Dest|X-Jitsi-Handoff) ",
        rf"{_FORWARD}@jitsi-verifier-elsewhere > ",
        rf"{_FORWARD}handle_response @jitsi-verifier-elsewhere",
    ),
    "only counts requests, or gives them a name": (
        rf"{_GATE}map {{http.request.header.Upgrade}} {{jitsi_verifier_upgrade}} > ",
        rf"{_FORWARD}header_up (X-Request-Id|X-Forwarded-Upgrade) ",
    ),
    "logs cannot be seen from outside": (rf"{_GATE}log_append ",),
    "what Jitsi receives cannot be seen from outside": (
        rf"{_ROUTE}request_header ",
        rf"{_FORWARD}copy_headers",
    ),
    "the option bypass: without the address it lets no client in": (
        rf"{_FORWARD}header_up X-Real-IP ",
    ),
    "speed: Caddy asks as well without it": (
        rf"{_FORWARD}method HEAD",
        rf"{_FORWARD}transport http > (keepalive|compression)",
    ),
    "a flood, a fault or a slow verifier would be needed": (
        rf"{_FORWARD}(lb_retries|lb_retry_match)",
        rf"{_FORWARD}transport http($| > (dial_timeout|response_header_timeout))",
    ),
}
_HAPROXY: Final[Mapping[str, tuple[str, ...]]] = {
    "time limits and speed": (
        r"(defaults|backend jitsi_verifier) > timeout ",
        r"backend jitsi_verifier > (http-reuse|retry-on) ",
    ),
    "long tokens only": (r"global > tune.bufsize ",),
    "logs cannot be seen from outside": (
        r"frontend jitsi > (log|log-format|unique-id-format) ",
        r"frontend jitsi > http-request set-var\(txn.jitsi_verifier_(path|agent)\)",
        r"refuse\(txn, response\) > (local code|txn:set_var)",
    ),
    "what Jitsi receives cannot be seen from outside": (
        r"frontend jitsi > http-request (del-header|set-header) ",
        r'local IDENTITY = \{ > "',
        r"let_in\(txn, answer\) > (local value|txn.http:req_|else)",
        r"gate\(txn, address\) > let_in",
    ),
    "the denial stays, only a header of it is lost": (
        r'local REFUSAL = \{ > "',
        r"refuse\(txn, response\) > reply:add_header",
    ),
    "a fault of the verifier would be needed": (r"refuse\(txn, response\) > response = ",),
    "only counts requests, or gives them a name": (
        r"wanted_protocol\(sent\) > ",
        rf'{_ASKED}\["(x-request-id|x-forwarded-upgrade)"\]',
    ),
    "the option bypass: without the address it lets no client in": (rf'{_ASKED}\["x-real-ip"\]',),
}

SILENT: Final = {"caddy": _CADDY, "haproxy": _HAPROXY}
"""For each proxy and reason the lines, as patterns of ``BLOCK > LINE``."""
