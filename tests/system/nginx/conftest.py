"""Sites, started once per session for each set of options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.upstream import Upstream
from tests.system.nginx.sites import FRONT, JITSI, Edits, Site, StartSite, start_site

_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}|jwt=|token=")


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """Start the server behind every nginx."""
    server = Upstream()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sites(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartSite]:
    """Start a site, or give the one that has these options: ``sites(example, **environment)``.

    A site that is to be stopped by a test has a name of its own: ``sites(name="stopped")``.
    ``edits`` are what an operator has changed in nginx' files.
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
def jitsi(sites: StartSite) -> Site:
    """Give the server that serves Jitsi itself; the token's domain is not looked at."""
    return sites(JITSI)


@pytest.fixture
def front(sites: StartSite) -> Site:
    """Give the server in front of a Jitsi."""
    return sites(FRONT)
