"""The Prometheus rules: valid, about existing metrics, and each alert is tested."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support.processes import wait_until
from tests.system.monitoring.prometheus import FOLDER, Prometheus, promtool
from tests.system.monitoring.traffic import Labels, MonitoredVerifier
from verifier.rules.model import DenialCode

RULES = "jitsi-verifier.rules.yml"
UNIT_TESTS = ["jitsi-verifier.rules.test.yml", "jitsi-verifier.days.test.yml"]
ALERTS = re.findall(r"- alert: (\w+)", (FOLDER / RULES).read_text())


def test_promtool_accepts_the_configuration() -> None:
    assert promtool("check", "config", "--lint-fatal", "prometheus.yml")[0] == 0


def test_promtool_accepts_the_rules() -> None:
    assert promtool("check", "rules", "--lint-fatal", RULES)[0] == 0


@pytest.mark.parametrize("file", UNIT_TESTS)
def test_unit_tests_of_the_rules_pass(file: str) -> None:
    status, output = promtool("test", "rules", file)
    assert status == 0, output


@pytest.mark.parametrize(
    ("expression", "failure", "files"),
    [("vector(1) < 0", "exp", UNIT_TESTS), ("vector(1)", "got", UNIT_TESTS[:1])],
)
def test_unit_tests_notice_every_broken_alert(
    tmp_path: Path, expression: str, failure: str, files: list[str]
) -> None:
    """The unit tests fail for each alert that never fires, and for each that always fires."""
    for name in files:
        shutil.copy(FOLDER / name, tmp_path)
    text = (FOLDER / RULES).read_text()
    broken = re.sub(
        r"(- alert: \w+\n +expr: )(.*?)(\n +for: )",
        lambda match: f"{match[1]}{expression}{match[3]}",
        text,
        flags=re.DOTALL,
    )
    assert broken.count(expression) == len(ALERTS)
    (tmp_path / RULES).write_text(broken)
    output = ""
    for name in files:
        status, text = promtool("test", "rules", name, cwd=tmp_path)
        assert status != 0
        output += text
    for alert in ALERTS:
        assert re.search(rf'{failure}: [^\n]*(\n[^\n]*)?alertname="{alert}"', output), alert


def test_prometheus_evaluates_every_rule(prometheus: Prometheus) -> None:
    def evaluated() -> bool:
        return all(rule["health"] != "unknown" for rule in prometheus.rules())

    wait_until(evaluated, "an evaluation of every rule")
    assert [rule for rule in prometheus.rules() if rule["health"] != "ok"] == []
    assert [rule for rule in prometheus.rules() if rule.get("state") == "firing"] == []


def test_every_code_in_the_runbook_leads_to_its_section() -> None:
    runbook = (FOLDER / "README.md").read_text("utf-8").partition("## Runbook")[2]
    named = [word for word in re.findall(r"`([a-z-]+)`", runbook) if word in set(DenialCode)]
    linked = re.findall(r"\[`([a-z-]+)`\]\(\.\./\.\./docs/denial-codes\.md#\1\)", runbook)
    assert named == linked
    assert "token-expired" in named


def test_every_alert_has_severity_description_and_runbook(
    prometheus: Prometheus,
) -> None:
    guide = (FOLDER / "README.md").read_text()
    alerts = [rule for rule in prometheus.rules() if rule["type"] == "alerting"]
    assert [alert["name"] for alert in alerts] == ALERTS
    for alert in alerts:
        name, annotations = alert["name"], alert["annotations"]
        assert alert["duration"] >= 60
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert annotations.keys() == {"summary", "description", "runbook"}
        assert annotations["runbook"] == f"contrib/prometheus/README.md#{name.lower()}"
        assert f"\n### {name}\n" in guide


def metrics_in(text: str) -> set[str]:
    return set(re.findall(r"(?<![:\w])jitsi_verifier_[a-z_]+", text))


def test_rules_use_existing_metrics(monitored: MonitoredVerifier) -> None:
    existing = {name for name, _ in monitored.samples()}
    recorded = metrics_in("\n".join(re.findall(r"record: (.*)", (FOLDER / RULES).read_text())))
    assert metrics_in((FOLDER / RULES).read_text()) - recorded <= existing


def test_unit_tests_use_existing_series(monitored: MonitoredVerifier) -> None:
    existing = set(monitored.samples())
    text = "".join((FOLDER / name).read_text() for name in UNIT_TESTS)
    used = {
        series(*found) for found in re.findall(r"series: '(jitsi_verifier_\w+)\{(.*?)\}'", text)
    }
    # These exist from their first event on, unlike all others.
    would_deny = {each for each in used if ("outcome", "would-deny") in each[1]}
    assert used - would_deny - existing == set()
    assert {dict(labels)["code"] for _, labels in would_deny} <= set(DenialCode)
    assert len(used) > 20


def series(name: str, labels: str) -> tuple[str, Labels]:
    pairs = re.findall(r'(\w+)="(.*?)"', labels)
    return name, frozenset(pair for pair in pairs if pair[0] not in ("job", "instance"))
