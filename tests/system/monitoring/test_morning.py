"""The alerts of a Prometheus that scrapes the service behind a real nginx for a short morning."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.support.upstream import Upstream
from tests.system.monitoring.morning import OTHER_SECRET, Morning
from tests.system.monitoring.prometheus import Prometheus
from tests.system.nginx.sites import FRONT, Site, start_site

QUIET, BOTS = 30, 3


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start nginx and the service, with two workers."""
    upstream = Upstream()
    options = {"VERIFIER_WORKERS": "2", "VERIFIER_ENABLE_DOMAIN_VERIFICATION": "false"}
    started = start_site(tmp_path_factory.mktemp("morning") / "site", FRONT, upstream, options)
    yield started
    started.stop()
    upstream.stop()


@pytest.fixture
def prometheus(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Start a Prometheus whose minutes are seconds."""
    folder = tmp_path_factory.mktemp("prometheus")
    started = Prometheus(folder, site.sidecar.admin_port, minutes_are_seconds=True)
    yield started
    started.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        # Prometheus signals nothing.
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def test_only_refused_people_cause_a_critical_alert(
    site: Site, prometheus: Prometheus
) -> None:
    def value(query: str) -> float:
        return max((float(each["value"][1]) for each in prometheus.query(query)), default=0.0)

    def has_fired(alert: str) -> bool:
        labels = f'alertstate="firing",alertname="JitsiVerifier{alert}"'
        return bool(prometheus.query(f"max_over_time(ALERTS{{{labels}}}[10m])"))

    await until(lambda: bool(prometheus.query("jitsi_verifier_first_decisions_total")))
    async with Morning(site) as morning:
        # Quiet people, whose tokens end; guests with a link to another room; bots.
        for _ in range(QUIET):
            await morning.arrive_and_stay()
        for _ in range(2):
            assert not await morning.arrive(room="another")
        bots = [
            morning.begin(partial(morning.guess, f"127.2.0.{number + 1}")) for number in range(BOTS)
        ]
        refused = 'sum(jitsi_verifier_keep_alives_total{outcome="denied"})'
        await until(lambda: value(refused) > QUIET * 4 and has_fired("TokensGuessed"))
        assert not has_fired("DenyRatioHigh")
        first = "sum(jitsi_verifier_first_decisions_total{outcome='%s'})"
        assert QUIET <= value(first % "allowed") <= QUIET + 2  # two workers may count at once
        assert value(first % "denied") == 2 + BOTS
        for bot in bots:
            bot.cancel()

        # An issuer begins to sign with another secret: half of those who arrive are refused.
        async def arrive_in_pairs() -> None:
            assert await morning.arrive()
            assert not await morning.arrive(secret=OTHER_SECRET)
            await asyncio.sleep(0.2)

        morning.begin(arrive_in_pairs)
        await until(lambda: has_fired("DenyRatioHigh"))
    assert not has_fired("Unavailable")
