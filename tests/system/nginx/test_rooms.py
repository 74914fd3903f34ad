"""nginx and the sidecar never disagree about the room: path, tenant and signalling."""

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
def test_every_url_of_the_room_table_means_the_same_to_nginx(
    front: Site, jitsi: Site, table: str
) -> None:
    let_in = [check(front, jitsi, target) for target, *_ in TABLE[table]]
    assert any(let_in) == (table != "nowhere")


def test_no_hostile_url_is_let_in_as_another_room(front: Site, jitsi: Site) -> None:
    for target in HOSTILE["targets"]:
        check(front, jitsi, target)


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
def test_no_mixture_of_slashes_dots_and_names_is_let_in_as_another_room(
    front: Site, jitsi: Site, pieces: list[str], query: str
) -> None:
    check(front, jitsi, "/" + "".join(pieces) + query)


def test_nothing_before_signalling_makes_it_public(front: Site, jitsi: Site) -> None:
    openings = ["/static", "/libs", "/static/..", "/libs/%2e%2e", "/.well-known/../acme", ""]
    names = ["/http-bind", "//http-bind", "/%68ttp-bind", "/xmpp-websocket", "/_api/room-info"]
    for site, opening, name in product((front, jitsi), openings, names):
        answer = site.get(f"{opening}{name}?room=standup")
        assert answer.status in {401, 403}, (opening, name)
