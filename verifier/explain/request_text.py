"""Finds the request in a text that describes one: a line of a log, or a request as it was sent.

Such a text may have other links, such as that of the page (``Referer``), which the service does not
read. So the request's own target counts, and of the headers only ``Authorization``.
"""

from __future__ import annotations

import re
from typing import Final

_REQUEST_LINE: Final = re.compile(
    r"\b(?:GET|HEAD|POST|PUT|OPTIONS) (?P<target>(?:/|https?://)[^\s\"]*) HTTP/[0-9]"
)
_MEMBER: Final = re.compile(
    r"\"(?:request_uri|requestUri|uri|original_uri|RequestPath|path|original)\"\s*:\s*"
    r"\"(?P<target>/[^\s\"]*)\""
)
_ARGUMENTS: Final = re.compile(
    r"\"(?:args|query_string|request_query)\"\s*:\s*\"\??(?P<query>[^\s\"]+)\""
)
# What may stand before a path is no part of one, so that each character is looked at once.
_PATH: Final = re.compile(
    r"(?:\A|(?<=[\s\"'(]))(?P<target>/[^\s\"'(<>?]*\?[^\s\"'(<>]*\b(?:jwt|token)=[^\s\"'(<>]+)"
)
_HOST: Final = re.compile(
    r"(?:\"(?:http_host|RequestHost|:?authority|host)\"\s*:\s*\"|^host:\s{0,8}|\bhost: \")"
    r"(?P<host>[\w.-]{1,253}(?::[0-9]{1,5})?)",
    re.IGNORECASE | re.MULTILINE | re.ASCII,
)
_REFERRER: Final = re.compile(
    r"(?:\breferr?er\b|\s-e\b)[\"'\s:=,\[]{1,16}(?:value[\"'\s:,]{1,16})?[a-z]{2,5}://[^\s\"'<>]*",
    re.IGNORECASE,
)
_AUTHORIZATION: Final = re.compile(
    r"\bauthorization\b[\"'\s:,\[]{1,16}(?:value[\"'\s:,]{1,16})?(?P<value>bearer\s[^\s\"']+)",
    re.IGNORECASE,
)


def find_request(text: str) -> str | None:
    """Return the URL of the request that a text describes; None if it describes none.

    Without a host in the text, the URL is a path.
    """
    found = _REQUEST_LINE.search(text) or _MEMBER.search(text)
    if found is None:
        return None
    target, host = found["target"], _HOST.search(text)
    arguments = None if "?" in target else _ARGUMENTS.search(text)
    if arguments is not None:
        target = f"{target}?{arguments['query']}"
    if host is None or not target.startswith("/"):
        return target
    return f"https://{host['host']}{target}"


def find_path(text: str) -> str | None:
    """Return the first path with a token in a text; None if there is none."""
    found = _PATH.search(text)
    return found["target"] if found else None


def find_authorization(text: str) -> str | None:
    """Return the value of the header ``Authorization`` if it is a bearer token; else None."""
    found = _AUTHORIZATION.search(text)
    return found["value"] if found else None


def without_referrers(text: str) -> str:
    """Return a text without the links of the header ``Referer``, whose tokens nothing reads."""
    return _REFERRER.sub("", text)
