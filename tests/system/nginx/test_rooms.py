"""nginx and the service read the same room, tenant and endpoint from every target."""

from __future__ import annotations

import tomllib
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.paths import TESTS
from tests.system.nginx.agreement import check
from tests.system.nginx.sites import Site

HERE = Path(__file__).parent
TABLE = tomllib.loads((TESTS / "unit/rooms/room_urls.toml").read_text())
HOSTILE = tomllib.loads((HERE / "hostile_urls.toml").read_text())
QUERIES = ["", "?room=standup", "?room=Other&prefix=acme", "?prefix=", "?room=a&room=b", "?x=/a/y"]


@pytest.mark.parametrize("table", list(TABLE))
def test_nginx_reads_the_urls_of_the_room_table_alike(
    front_site: Site, jitsi_site: Site, table: str
) -> None:
    allowed = [check(front_site, jitsi_site, target) for target, *_ in TABLE[table]]
    assert any(allowed) == (table != "nowhere")


def test_hostile_urls_open_no_other_room(front_site: Site, jitsi_site: Site) -> None:
    for target in HOSTILE["targets"]:
        check(front_site, jitsi_site, target)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.sampled_from(HOSTILE["pieces"]), min_size=1, max_size=7), st.sampled_from(QUERIES)
)
@example(["Acme", "/", "http-bind"], QUERIES[1])
def test_mixed_slashes_dots_and_names_open_no_other_room(
    front_site: Site, jitsi_site: Site, pieces: list[str], query: str
) -> None:
    check(front_site, jitsi_site, "/" + "".join(pieces) + query)


def test_no_path_prefix_makes_signalling_public(front_site: Site, jitsi_site: Site) -> None:
    prefixes = ["/static", "/libs", "/static/..", "/libs/%2e%2e", "/.well-known/../acme", ""]
    names = ["/http-bind", "//http-bind", "/%68ttp-bind", "/xmpp-websocket", "/_api/room-info"]
    for site, prefix, name in product((front_site, jitsi_site), prefixes, names):
        answer = site.get(f"{prefix}{name}?room=standup")
        assert answer.status in {401, 403}, (prefix, name)
