"""The page ``/dashboard`` in Chromium, while the service answers requests of every kind."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.support.processes import COMMAND, Program
from tests.system.monitoring.live_page import LivePage, has_number, live_page
from tests.system.monitoring.panels import CHARTS, GROUPS, HEADLINE
from tests.system.monitoring.traffic import MonitoredVerifier, running_monitored_verifier


async def test_page_has_the_panels_of_the_grafana_dashboard(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    async with live_page(tmp_path, monitored) as page:
        assert await page.titles("h3") == CHARTS
        assert await page.titles("h2") == GROUPS
        assert await page.titles("dt") == HEADLINE


async def test_every_panel_shows_values(monitored: MonitoredVerifier, tmp_path: Path) -> None:
    async with live_page(tmp_path, monitored) as page:
        values = await page.fill(monitored)
        await page.wait_for("document.querySelectorAll('.chart path').length > 20")
        assert page.browser_errors() == []
    assert set(values["Decisions by outcome"]) >= {"allowed", "denied", "error"}
    assert set(values["Denials by code"]) >= {"token-expired", "room-mismatch", "keys-unavailable"}
    assert set(values["Decisions by endpoint"]) == {"auth", "ext-authz", "verify"}
    assert set(values["Latency"]) == {"p50", "p95", "p99"}
    assert values["Keys in memory"] == {"asap": "1"}
    assert list(values["In flight"]) == ["requests"]
    assert values["Decisions by worker"].keys() == values["Memory by worker"].keys() == {"0"}
    assert values["Worker restarts"] == {"restarts": "0"}
    assert list(values["Refused for overload"]) == ["refused"]


async def test_outage_is_shown_and_rates_stay_positive(tmp_path: Path) -> None:
    with running_monitored_verifier(tmp_path) as monitored:
        async with live_page(tmp_path, monitored) as page:
            await page.fill(monitored)
            monitored.verifier.process.terminate()
            await page.wait_for("document.body.innerText.includes('Cannot read the metrics')")
            assert re.search(
                r"no answer\. The values below are from \d\d:\d\d:\d\d\. Trying again",
                await page.evaluate_text("document.getElementById('status').textContent"),
            )
            kept = await page.values()
            assert has_number(kept["Decisions by outcome"])
            assert has_number(kept["Memory by worker"])
            assert await page.titles("dt") == HEADLINE
            monitored.verifier.process.wait()
            command: list[str | Path] = [COMMAND, "serve", "--config", monitored.config]
            restarted = Program(command, tmp_path / "again.log", monitored.verifier.environ)
            try:
                await page.wait_for("document.getElementById('status').textContent === 'Live'")
                values = await page.fill(monitored)
                lines = "document.querySelector('.chart .allowed').getAttribute('d')"
                assert (await page.evaluate_text(lines)).count("M") > 1  # a gap
            finally:
                restarted.stop()
    assert [value for lines in values.values() for value in lines.values() if "-" in value] == []


async def test_failed_reload_is_shown(tmp_path: Path) -> None:
    with running_monitored_verifier(tmp_path) as monitored:
        async with live_page(tmp_path, monitored) as page:
            monitored.break_configuration()
            await page.wait_for(
                "document.getElementById('headline').innerText.includes('reload failed')"
            )


async def test_paused_page_reads_no_metrics(monitored: MonitoredVerifier, tmp_path: Path) -> None:
    async with live_page(tmp_path, monitored) as page:
        await page.fill(monitored)
        await page.tab.evaluate("document.getElementById('pause').click()")
        await page.wait_for("document.getElementById('status').textContent === 'Paused'")
        assert {Path(url).name for url in await page.requests_in(60)} == {"readyz"}
        await page.tab.evaluate("document.getElementById('pause').click()")
        assert {Path(url).name for url in await page.requests_in(60)} == {"metrics", "readyz"}


async def test_page_keeps_15_minutes_of_values(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    async with live_page(tmp_path, monitored) as page:
        await page.fill(monitored)
        await page.choose_interval("15")
        await page.requests_in(20 * 60)
        assert -900 <= int(await page.evaluate_text("document.getElementById('back').min")) < -880


EVALUATE_READINGS = """
    import('/dashboard/scrape.js').then(({{Scrape, Interval}}) => {{
        const full = text => text.replaceAll("N_", "jitsi_verifier_");
        const read = (text, time) => new Scrape(full(text), time, time);
        const both = new Interval(read({older!r}, 100), read({newer!r}, 110));
        return JSON.stringify({expression});
    }})"""


async def computed(page: LivePage, older: str, newer: str, expression: str) -> Any:
    """Return the page's value of an expression for two readings, ten seconds apart.

    ``N_`` in the readings stands for the prefix of the metrics.
    """
    script = EVALUATE_READINGS.format(older=older, newer=newer, expression=expression)
    return json.loads(await page.evaluate_text(script))


async def test_page_computes_the_values_of_prometheus(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    async with live_page(tmp_path, monitored) as page:
        older = 'N_a{k="x",l="1"} 5.0\nN_a{k="x",l="2"} 90.0\nN_a{k="y",l="1"} 1e+03\n'
        newer = 'N_a{k="x",l="1"} 25.0\nN_a{k="x",l="2"} 10.0\nN_a{k="y",l="1"} 1e+03\n'
        # The counter with l="2" was reset: 20 + 10 in ten seconds.
        value = await computed(page, older, newer, "[...both.rate('a', ['k'])]")
        assert value == [["x", 3], ["y", 0]]
        value = await computed(page, older, newer, "both.share('a', labels => labels.l === '1')")
        assert value == 20 / 30
        assert await computed(page, newer, newer, "both.share('a', () => true)") is None
        assert await computed(page, older, newer, "[...both.rate('nothing')]") == []
        # The same as in contrib/prometheus/jitsi-verifier.rules.test.yml.
        older = 'N_d_bucket{le="0.0005"} 0\nN_d_bucket{le="+Inf"} 0\n'
        newer = 'N_d_bucket{le="0.0005"} 740\nN_d_bucket{le="+Inf"} 757\n'
        for share, expected in ((0.5, 256), (0.95, 486), (0.99, 500)):
            value = await computed(page, older, newer, f"[...both.quantile({share}, 'd')][0][1]")
            assert round(1e6 * value) == expected
        assert await computed(page, newer, newer, "[...both.quantile(0.5, 'd')][0][1]") is None


async def test_page_reads_every_label_value(monitored: MonitoredVerifier, tmp_path: Path) -> None:
    line = '# HELP N_a {x} 1\nN_a{k="1\\"2,3=4} 5\\n",l=""} 7.5\n'
    async with live_page(tmp_path, monitored) as page:
        value = await computed(page, "", line, "both.newer.samples('a')")
    assert value == [{"labels": {"k": '1"2,3=4} 5\n', "l": ""}, "value": 7.5}]
