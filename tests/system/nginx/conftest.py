"""Sites: each set of options is started once in a session."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.upstream import Upstream
from tests.system.nginx.sites import FRONT, JITSI, Edits, Site, StartSite, start_site

# A log message suggests ?jwt=TOKEN.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}|jwt=(?!TOKEN)|token=")


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """Start the server behind every nginx."""
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sites(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartSite]:
    """Return a function that starts a site, or returns the running site with the same options.

    It is called as ``sites(example, **environment)``. A test that stops or changes a site gives it
    a name, so that no other test gets it: ``sites(name="stopped")``. ``edits`` are an operator's
    changes to the files of nginx. At the end, no log may contain a token.
    """
    started: dict[tuple[Any, ...], Site] = {}
    root = tmp_path_factory.mktemp("sites")

    def start(example: str = JITSI, name: str = "", edits: Edits = (), **options: str) -> Site:
        key = (example, name, *edits, *sorted(options.items()))
        if key not in started:
            started[key] = start_site(root / str(len(started)), example, upstream, options, edits)
        return started[key]

    yield start
    for site in started.values():
        site.stop()
    for site in started.values():
        assert not _TOKEN.findall(site.logs())


@pytest.fixture
def jitsi_site(sites: StartSite) -> Site:
    """Return the site whose nginx serves Jitsi itself; it ignores the token's domain."""
    return sites(JITSI)


@pytest.fixture
def front_site(sites: StartSite) -> Site:
    """Return the site whose nginx forwards everything to a Jitsi."""
    return sites(FRONT)
