"""The public paths are those of the files for nginx."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.paths import ROOT
from verifier.replay.public_paths import is_public

CONF = ROOT / "contrib/nginx/jitsi-verifier.conf"
_MAP = r"map \$uri \${} {{(.*?)\n}}"
_ENTRY = re.compile(r'^    (?:"~(?P<pattern>[^"]+)"|(?P<text>/\S*)) (?P<value>\S+);', re.MULTILINE)
PIECES = st.sampled_from(
    (
        *("/", "/libs", "/css", "/static/", "config.js", "manifest.json", "/favicon.ico", "/room"),
        *("/http-bind", "/xmpp-websocket", "/_api", "/conference-request", "/.well-known/", "x"),
        *("/_unlock", "/_api/public/", "room-info", "http-bind", "/public"),
        *("/colibri-ws/", "/socket.io/", "etherpad", "pwa-worker.js", "robots.txt", "\n", "config"),
        *(
            "/images",
            "/fonts",
            "/lang",
            "/sounds",
            "/transcripts",
            "external_api.js",
            "/rtcstats-ws",
        ),
    )
)


def is_public_to_nginx(uri: str) -> bool:
    """Return the value in nginx' maps: texts come first, then patterns in their order."""
    value = nginx_value("jitsi_verifier_public", uri, default="0", entries=2)
    if value == "$jitsi_verifier_not_signalling":
        no_fragment = "$jitsi_verifier_no_fragment"
        value = nginx_value("jitsi_verifier_not_signalling", uri, default=no_fragment, entries=1)
    return value != "0"


def nginx_value(variable: str, uri: str, default: str, entries: int) -> str:
    """Return what a map of nginx makes of ``$uri``."""
    found = re.search(_MAP.format(variable), CONF.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    assert f"    default {default};\n" in found[1]
    patterns = list(_ENTRY.finditer(found[1]))
    assert len(patterns) == entries
    for entry in patterns:
        if entry["text"] == uri:
            return entry["value"]
    for entry in patterns:
        # \z is PCRE's name of what Python calls \Z.
        if entry["pattern"] and re.search(entry["pattern"].replace(r"\z", r"\Z"), uri):
            return entry["value"]
    return default


@given(st.lists(PIECES, max_size=4).map("".join))
@settings(deadline=None)
def test_list_is_that_of_the_files_for_nginx(path: str) -> None:
    uri = "/" + re.sub("//+", "/", path).lstrip("/")
    assert is_public(uri) == is_public_to_nginx(uri)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//",
        "/%2e",
        "/libs/a.js",
        "//libs//a.js",
        "/%6cibs/a.js",
        "/a/../libs/a",
        "/a%2F..%2Flibs/",
        *("/_unlock", "/acme/_unlock", "/_api/public/a.json", "/_api//public/a.json"),
    ],
)
def test_public_path_is_public_in_every_spelling(path: str) -> None:
    assert is_public(path)


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../http-bind", "/static/%2e%2e/http-bind", "/static%2F..%2Froom", "/libs"),
        *(
            "/images/http-bind",
            "/standup",
            "/acme/standup",
            "/LIBS/a.js",
            "/a/b/config.js",
        ),
        *("/config.js%0a", "/_unlock/", "/a/b/_unlock", "/_unlock%0A", "/_api/public"),
        *("/_api/room-info", "/_api/public/../room-info", "/_api/public/_api/room-info"),
        *("/acme/_api/public/a", "/_api/public/http-bind", "/_api/publicity/x"),
    ],
)
def test_no_spelling_makes_a_room_or_signalling_public(path: str) -> None:
    assert not is_public(path)
