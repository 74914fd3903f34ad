"""The headline of the live dashboard: values, thresholds, first reading, clocks, groups, links."""

from __future__ import annotations

import asyncio
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import CONTRIB, ROOT
from tests.system.monitoring.live_page import LivePage, live_page
from tests.system.monitoring.panels import CHARTS, DASHBOARD, FOLDER, HEADLINE
from tests.system.monitoring.traffic import MonitoredVerifier, running_monitored_verifier

RULES = (CONTRIB / "prometheus/jitsi-verifier.rules.yml").read_text("utf-8")
CSS = (ROOT / "verifier/http/admin/dashboard/page.css").read_text("utf-8")

NUMBERS = {
    "JitsiVerifierDenyRatioHigh": {
        "ratio": r"refused:ratio15m > ([\d.]+)",
        "people": r"refused:increase15m > ([\d.]+)$",
    },
    "JitsiVerifierUnavailable": {
        "ratio": r"unavailable:ratio15m > ([\d.]+)",
        "people": r"unavailable:increase15m > ([\d.]+)\)",
    },
    "JitsiVerifierTokensGuessed": {
        "rate": r"unsigned_denials:rate5m > ([\d.]+)",
        "times": r"900 \* job:jitsi_verifier_unsigned_denials:rate5m > ([\d.]+) \*",
    },
    "JitsiVerifierLatencyHigh": {
        "seconds": r'quantile="0.95"} > ([\d.]+)',
        "rate": r"decisions:rate5m > ([\d.]+)",
    },
    "JitsiVerifierKeyFetchFailing": {"ratio": r"\) > ([\d.]+)"},
    "JitsiVerifierKeySourceStale": {
        "lookups": r'result="stale"}\[10m\]\)\) > ([\d.]+)',
        "seconds": r"> 0\)\) > ([\d.]+)",
    },
    "JitsiVerifierKeysSkipped": {"keys": r"}\) > ([\d.]+)"},
    "JitsiVerifierRevocationStoreDown": {"up": r"up == ([\d.]+)"},
    "JitsiVerifierWorkersRestart": {"restarts": r"> ([\d.]+)"},
    "JitsiVerifierReloadFailed": {"successful": r"== ([\d.]+)"},
}
"""For each alert of the headline: where its rule has the number of this name."""


def alert_rule(name: str) -> str:
    """Return the text of an alert's rule."""
    (rule,) = re.findall(rf"- alert: {name}\n(.*?)(?=\n      - alert:|\n\n|\Z)", RULES, re.DOTALL)
    return str(rule)


async def exported(page: LivePage, module: str, expression: str) -> Any:
    """Return the value of an expression over the names that a module of the page exports."""
    script = f"import('/dashboard/{module}').then(all => JSON.stringify({expression}))"
    return json.loads(await page.evaluate_text(script))


async def test_thresholds_are_those_of_the_alerts(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    async with live_page(tmp_path, monitored) as page:
        thresholds = await exported(page, "thresholds.js", "all.THRESHOLDS")
        usual = await exported(page, "thresholds.js", "all.USUAL_DENIALS")
        unsigned = await exported(page, "thresholds.js", "all.UNSIGNED_DENIALS")
        reasons = await exported(page, "thresholds.js", "all.USUAL_SKIP_REASONS")
    expected = {}
    for name, patterns in NUMBERS.items():
        rule = alert_rule(name)
        (severity,) = re.findall(r"severity: (\w+)", rule)
        found = {key: re.findall(pattern, rule, re.MULTILINE) for key, pattern in patterns.items()}
        expected[name] = {key: float(numbers[0]) for key, numbers in found.items()}
        expected[name]["severity"] = severity
    assert thresholds == expected
    assert f'code!~"{"|".join(usual)}"' in RULES
    assert f'code=~"{"|".join(unsigned)}"' in RULES
    assert f'reason!~"{"|".join(reasons)}"' in RULES


def test_grafana_has_the_thresholds_of_the_alerts() -> None:
    checked = 0
    for stat in runpy.run_path(str(FOLDER / "build.py"))["PANELS"]["headline"]:
        if "alert" in stat:
            pattern = next(iter(NUMBERS[stat["alert"]].values()))
            threshold = float(re.findall(pattern, alert_rule(stat["alert"]), re.MULTILINE)[0])
            last, _ = stat["colors"][-1]
            # The store is up at 1, and the alert fires at 0.
            assert last == (1 if stat["title"] == "Revocation store" else threshold)
            checked += 1
    assert checked == 3


def test_outcomes_have_the_same_colors_in_grafana() -> None:
    colors = dict(re.findall(r"\.([a-z-]+) { stroke: var\(--([a-z]+)\); }", CSS))
    outcomes = {name: color for name, color in colors.items() if not re.match(r"c\d", name)}
    assert outcomes["allowed"] == "green"
    for panel in DASHBOARD["panels"]:
        if panel["type"] == "timeseries":
            fixed = {
                each["matcher"]["options"]: each["properties"][0]["value"]["fixedColor"]
                for each in panel["fieldConfig"]["overrides"]
            }
            assert fixed == outcomes


async def test_tiles_show_what_the_service_does(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    async with live_page(tmp_path, monitored) as page:
        await page.fill(monitored)
        tiles = await page.tiles()
    assert list(tiles) == HEADLINE
    assert re.fullmatch(r"[\d.]+ /s", tiles["Allowed"][1])
    assert re.fullmatch(r"[\d.]+ %", tiles["People refused"][1])
    assert re.fullmatch(r"\d+ of \d+ since \d\d:\d\d:\d\d", tiles["People refused"][2])
    assert re.fullmatch(r"[\d.]+ [µm]?s", tiles["p95 latency"][1])
    assert tiles["Keys"][:2] == ["warning", "1"]  # the key server of the tests sends rubbish too
    assert tiles["Revocation store"] == ["", "up", "no revocations"]
    assert tiles["Workers"] == ["", "1", "no restarts"]
    assert tiles["Mode"] == ["", "enforce", "last reload good"]


async def test_report_only_mode_is_marked(tmp_path: Path) -> None:
    with running_monitored_verifier(tmp_path, VERIFIER_MODE="report-only") as monitored:
        async with live_page(tmp_path, monitored) as page:
            value = "document.querySelector('.value').textContent"
            await page.wait_for(f"{value} === '0 /s'")
            without_traffic = await page.tiles()
            async with asyncio.timeout(120):
                while "would-deny" not in (await page.values())["Decisions by outcome"]:
                    monitored.verifier.ask("/standup", monitored.token(exp=1))
                    await asyncio.sleep(0.2)  # the page reads every second
            tiles = await page.tiles()
    assert without_traffic["Mode"] == ["warning", "report-only", "nothing is denied"]
    assert without_traffic["People refused"][2].startswith("no people since ")
    assert without_traffic["p95 latency"][2] == "no requests in 30 s"
    assert without_traffic["Denied"][1:] == ["0 /s", "none in 30 s"]
    assert tiles["Denied"][2] == "mostly token-expired"


STOP_AFTER_FIRST_READING = """
    const real = setTimeout;
    window.setTimeout = (work, wait) => wait >= 1000 ? 0 : real(work, wait);"""


async def test_first_reading_shows_gauges_and_measures_rates(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    monitored.send_requests()
    async with live_page(tmp_path, monitored) as page:
        source = STOP_AFTER_FIRST_READING
        await page.tab.call("Page.addScriptToEvaluateOnNewDocument", source=source)
        await page.tab.reload()
        await page.wait_for("document.querySelectorAll('.chart path').length > 3")
        tiles, values = await page.tiles(), await page.values()
        text = await page.evaluate_text("document.body.innerText")
    measured = [title for title, (_, value, _) in tiles.items() if value == "measuring…"]
    assert measured == ["Allowed", "Denied", "People refused", "p95 latency"]
    assert tiles["Workers"][1] == "1"
    assert values["Keys in memory"] == {"asap": "1"}
    assert values["Memory by worker"].keys() == {"0"}
    assert values["Decisions by outcome"] == {}
    assert "Measuring…" in text


CASES = [
    ("Allowed", "JitsiVerifierUnavailable", 'F{outcome="error"} 5'),
    ("Allowed", None, 'F{outcome="error"} 4'),
    ("Allowed", None, 'F{outcome="error"} 5\nF{outcome="allowed"} 95'),
    ("Denied", "JitsiVerifierTokensGuessed", 'D{outcome="denied",code="signature-invalid"} 700'),
    ("Denied", None, 'D{outcome="denied",code="signature-invalid"} 600'),
    ("Denied", None, 'D{outcome="denied",code="token-missing"} 700'),
    (
        "Denied",
        None,
        'D{outcome="denied",code="key-unknown"} 700\nF{outcome="allowed"} 70',
    ),
    ("People refused", "JitsiVerifierDenyRatioHigh", 'F{outcome="denied",code="room-mismatch"} 10'),
    ("People refused", None, 'F{outcome="denied",code="room-mismatch"} 9'),
    ("People refused", None, 'F{outcome="denied",code="token-expired"} 10'),
    (
        "People refused",
        None,
        'F{outcome="denied",code="room-mismatch"} 10\nF{outcome="allowed"} 21',
    ),
    (
        "p95 latency",
        "JitsiVerifierLatencyHigh",
        'D{outcome="allowed",code=""} 400\nL{le="0.05"} 300\nL{le="0.1"} 400\nL{le="+Inf"} 400',
    ),
    (
        "p95 latency",
        None,
        'D{outcome="allowed",code=""} 400\nL{le="0.05"} 400\nL{le="+Inf"} 400',
    ),
    ("p95 latency", None, 'D{outcome="allowed",code=""} 2\nL{le="0.1"} 2\nL{le="+Inf"} 2'),
    ("Keys", "JitsiVerifierKeyFetchFailing", 'K{result="timeout"} 2\nK{result="ok"} 1'),
    ("Keys", None, 'K{result="error"} 1\nK{result="ok"} 1'),
    ("Keys", "JitsiVerifierKeySourceStale", 'N_key_lookups_total{result="stale"} 1'),
    (
        "Keys",
        "JitsiVerifierKeySourceStale",
        'N_key_last_success_timestamp_seconds{source="document"} 1',
    ),
    ("Keys", "JitsiVerifierKeysSkipped", 'N_skipped_keys{reason="private"} 1'),
    ("Keys", None, 'N_skipped_keys{reason="use"} 1'),
    ("Revocation store", "JitsiVerifierRevocationStoreDown", "N_revocation_store_up 0"),
    ("Revocation store", None, "N_revocation_store_up 1"),
    ("Workers", "JitsiVerifierWorkersRestart", "N_worker_restarts_total 3"),
    ("Workers", None, "N_worker_restarts_total 2"),
    ("Mode", "JitsiVerifierReloadFailed", "N_config_last_reload_successful 0"),
    ("Mode", None, "N_config_last_reload_successful 1"),
]
"""A tile, the alert that it shows, and what was counted in ten minutes; NAMES has the metrics."""
NAMES = {
    "F{": "N_first_decisions_total{",
    "D{": "N_decisions_total{",
    "L{": "N_decision_duration_seconds_bucket{",
    "K{": "N_key_fetches_total{",
    "N_": "jitsi_verifier_",
}


async def test_tiles_show_an_alert_beyond_its_threshold(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    async with live_page(tmp_path, monitored) as page:
        for title, alert, text in CASES:
            newer = text
            for short, name in NAMES.items():
                newer = re.sub(f"^{short}", name, newer, flags=re.MULTILINE)
            older = re.sub(r" \d+$", " 0", newer, flags=re.MULTILINE)
            shown = await page.evaluate_text(
                f"""Promise.all([import('/dashboard/scrape.js'), import('/dashboard/headline.js')])
                    .then(([{{Scrape, Interval}}, {{TILES, stateOf}}]) => {{
                        const newest = new Scrape({newer!r}, 1600, 100000);
                        const both = new Interval(new Scrape({older!r}, 1000, 99400), newest);
                        const tile = new Map(TILES).get({title!r});
                        const shown = tile({{newest, recent: both, long: both}});
                        return JSON.stringify([shown.alert ?? null, stateOf(shown)]);
                    }})"""
            )
            state = "good"
            if alert:
                state = "bad" if "severity: critical" in alert_rule(alert) else "warn"
            assert json.loads(shown) == [alert, state], (title, text)


async def test_page_says_when_the_clocks_differ(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    async with live_page(tmp_path, monitored) as page:
        skew = "document.getElementById('skew').textContent"
        assert await page.evaluate_text(skew) == ""
        await page.tab.call(
            "Page.addScriptToEvaluateOnNewDocument",
            source="Object.defineProperty(performance, 'timeOrigin', {value: "
            "performance.timeOrigin - 7200e3})",
        )
        await page.tab.reload()
        await page.wait_for(f"{skew} !== ''")
        assert await page.evaluate_text(skew) == ", which is 2 h behind that of the server"
        await asyncio.to_thread(monitored.send_requests)
        age = (
            "[...document.querySelectorAll('section')].find(each => /Key age/.test(each.innerText))"
        )
        await page.wait_for(f"/asap/.test({age}.innerText)")
        values = await page.values()
    assert re.fullmatch(r"[\d.]+ (ms|s|min)", values["Key age"]["asap"])


async def test_closed_groups_stay_closed_over_a_reload(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    open_groups = "[...document.querySelectorAll('details')].map(each => each.open)"
    async with live_page(tmp_path, monitored) as page:
        await page.fill(monitored)
        await page.tab.evaluate("document.querySelectorAll('summary')[1].focus()")
        await page.press("Enter")
        await page.wait_for("location.hash === '#closed=speed'")
        await page.tab.reload()
        await page.wait_for("document.querySelectorAll('details').length === 4")
        assert await page.tab.evaluate(open_groups) == [True, False, True, True]
        chart = "document.querySelector('#group-speed .chart:not([hidden])')"
        await page.tab.evaluate("document.querySelectorAll('summary')[1].click()")
        await page.wait_for(f"{chart}?.getClientRects().length && {chart}.viewBox.baseVal?.width")
        assert await page.evaluate_text("location.hash") == ""


async def test_every_code_leads_to_its_explanation(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    async with live_page(tmp_path, monitored) as page:
        await asyncio.to_thread(monitored.send_requests)
        await page.wait_for("document.querySelector('.note a') && document.querySelector('th a')")
        links = await page.tab.evaluate(
            "[...document.querySelectorAll('th a, .note a')]"
            ".map(link => [link.textContent, link.href])"
        )
    assert "token-expired" in {code for code, _ in links}
    address = f"http://127.0.0.1:{monitored.verifier.admin}/codes"
    assert [link for link in links if link[1] != f"{address}#{link[0]}"] == []


async def test_axes_have_round_steps_and_clock_times(
    monitored: MonitoredVerifier, tmp_path: Path
) -> None:
    async with live_page(tmp_path, monitored) as page:
        for most, unit, expected in [
            (37, "a second", [0, 10, 20, 30, 40]),
            (40, "a second", [0, 10, 20, 30, 40]),
            (0, "a second", [0, 0.5, 1]),
            (1, "share", [0, 0.5, 1]),
            (1, "count", [0, 1]),
            (7, "count", [0, 2, 4, 6, 8]),
            (0.0007, "seconds", [0, 0.0002, 0.0004, 0.0006, 0.0008]),
            (500, "seconds", [0, 300, 600]),
            (90000, "seconds", [0, 43200, 86400, 129600]),
        ]:
            ticks = await exported(page, "axis.js", f"all.valueTicks({most}, '{unit}')")
            assert ticks == pytest.approx(expected), (most, unit)
        for seconds, step in [(60, 15), (300, 120), (900, 300)]:
            script = f"all.timeTicks(1000, {1000 + seconds}, 300)"
            ticks = await exported(page, "axis.js", script)
            times = [tick["time"] for tick in ticks]
            assert times == list(range(-(-1000 // step) * step, 1000 + seconds + 1, step))
            labels = [tick["label"] for tick in ticks]
            assert all(re.fullmatch(r"\d\d:\d\d(:\d\d)?", label) for label in labels)
        await page.wait_for("document.querySelectorAll('.chart .time').length > 3")
    assert CHARTS
