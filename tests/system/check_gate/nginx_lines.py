"""Lines of contrib/nginx whose removal opens and breaks nothing that can be seen from outside.

A test takes out every other line and demands that ``check-gate`` names what is missing, and takes
out the lines of each reason together and demands that it names nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_LOCATION: Final = r"location = /_jitsi-verifier > "
_PAGES: Final = r"location \^~ /_jitsi-verifier/ > "

SILENT: Final[Mapping[str, tuple[str, ...]]] = {
    "speed: nginx asks as well without it, at a higher cost": (
        r"upstream jitsi_verifier > (server|keepalive) ",
        r'map \$http_cookie \$jitsi_verifier_cookies > "" "";',
        rf"{_LOCATION}set \$jitsi_verifier_memory off;",
        rf"{_LOCATION}if \(\$http_authorization\)",
        rf'{_LOCATION}if \(\$request_uri ~ "\[\?&\]\(jwt\|token\)="\)',
        rf"{_LOCATION}proxy_cache \$",
        rf"{_LOCATION}proxy_(http_version|method|pass_request_body) ",
        rf'{_LOCATION}proxy_set_header (Connection|Content-Length) "";',
        rf"{_LOCATION}(open_file_cache|proxy_cache_lock)",
        r"location @root_path > auth_request off;",
    ),
    "subrequests and error pages are not asked about": (
        rf"{_LOCATION}auth_request off;",
        rf"{_PAGES}auth_request off;",
    ),
    "long tokens and identities only": (
        r"large_client_header_buffers ",
        r"variables_hash_max_size ",
        rf"{_LOCATION}if \(\$jitsi_verifier_question ~",
        rf"{_LOCATION}proxy_buffer_size ",
    ),
    "what nginx does anyway, unless the http block says something else": (
        r"map \$uri \$jitsi_verifier_public > default 0;",
        r"map \S+ \$jitsi_verifier_(prefix|first_segment|browser|path) > default \"\";",
        rf"{_LOCATION}proxy_(intercept_errors|cache_use_stale|cache_valid|ignore_headers) ",
    ),
    "logs cannot be seen from outside": (
        r"(access_log|error_log) ",
        r"map \$jitsi_verifier_status \$jitsi_verifier_gate > ",
        r"map \$jitsi_verifier_limited \$jitsi_verifier_not_asked > ",
        r"map \$request_uri \$jitsi_verifier_path > \"",
        r"map \$jitsi_verifier_asked_method \$jitsi_verifier_method > ",
        r"log_format jitsi_verifier .* > |^jitsi-verifier.conf: '",
    ),
    "the denial stays, only its page or a header of it is lost": (
        r"map \$http_accept_language \S+ > ",
        r'map "\$jitsi_verifier_gate \$jitsi_verifier_denial" \$jitsi_verifier_code',
        r"map \$jitsi_verifier_limited \$jitsi_verifier_retry > ",
        r"map \$uri \$jitsi_verifier_requested > ",
        r"map \$jitsi_verifier_requested \$jitsi_verifier_address",
        r"set \$jitsi_verifier_page_path ",
        r'set \$jitsi_verifier_page_\w+ "";',
        r"add_header (X-Jitsi-Denial|Retry-After|Content-Language|X-Content-Type-Options) ",
        r"add_header (Content-Security-Policy|Vary) ",
        rf"{_PAGES}(internal|absolute_redirect|root|try_files|charset|ssi) ?",
        rf"{_PAGES}set \$jitsi_verifier_page_(denial|retry|language|type|policy|vary) ",
    ),
    "the denial stays, without a location for its page": (r"location \^~ /_jitsi-verifier/$",),
    "the gate stays shut, but answers 500 instead of 503": (r"error_page 500 ",),
    "options that are off by default: handoff, token_cookie, denied_redirect_url, cors_origins": (
        r"map \$http_cookie \$jitsi_verifier_browser > \"~",
        r"map \$http_cookie \$jitsi_verifier_cookies > default",
        r"map \$request_uri \$jitsi_verifier_cookies_for_url > ",
        r"add_header (Set-Cookie|Access-Control-\S+) ",
        rf"{_PAGES}set \$jitsi_verifier_page_(cookie\w*|origin|credentials|expose|vary_2) ",
        rf"{_PAGES}if \(\$jitsi_verifier_redirect\)",
        rf"{_LOCATION}proxy_set_header (Cookie|Sec-Fetch-Dest) ",
    ),
    "the option bypass: without the address it lets no client in": (
        rf"{_LOCATION}proxy_set_header X-Real-IP ",
    ),
    "what Jitsi receives cannot be seen from outside": (
        r"^jitsi-verifier-identity.conf: ",
        r"include .*/jitsi-verifier-identity.conf;",
        r"map \$uri \$jitsi_verifier_prefix > \"~",
        r"map \$request_uri \$jitsi_verifier_first_segment > \"~",
        r"auth_request_set \$prefix ",
    ),
    "only counts requests, or gives them a name": (
        r"map \$http_upgrade \$jitsi_verifier_upgrade > ",
        rf"{_LOCATION}proxy_set_header (X-Original-Upgrade|X-Request-Id) ",
    ),
    "HTTP/3 only": (r'map \$http_host \$jitsi_verifier_host > "" \$host;',),
    "a flood or a slow verifier would be needed": (
        rf"{_LOCATION}limit_req",
        rf"{_LOCATION}proxy_(connect_timeout|read_timeout|next_upstream_timeout) ",
    ),
    "a second guard: the verifier ignores what other proxies would send": (
        rf"{_LOCATION}proxy_pass_request_headers off;",
    ),
    "a second guard: the usual servers ignore what follows a fragment's sign, as nginx does": (
        r'map \$request_uri \$jitsi_verifier_no_fragment > "~#" 0;',
    ),
    "part of the cache's key for answers that the verifier does not let nginx keep": (
        r"jitsi_verifier_question > \$http_(sec_fetch_dest|upgrade|origin|access_control)",
    ),
}
"""For each reason the lines, as patterns of ``FILE: BLOCK > LINE``."""
