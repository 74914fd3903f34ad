"""The packages of the image: pinned, hashed, and accepted by the project's requirements."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.supply import audit, sbom
from tests.supply.requirements import build_requires, extras
from tests.support.paths import ROOT

_ENTRY = re.compile(
    r"^([a-z0-9-]+)==(\S+)((?: ; [^\\]*)?) ((?:\\\n    --hash=sha256:[0-9a-f]{64} ?)+)$"
)


def entries(name: str) -> dict[str, str]:
    """Return names and versions in a requirements file; each entry needs a pin and hashes."""
    text = (ROOT / name).read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    versions: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", "\n".join(lines)):
        match = _ENTRY.fullmatch(entry)
        assert match is not None, f"{name}: no pin with hashes: {entry[:60]}"
        assert match[1] not in versions
        versions[match[1]] = match[2]
    return versions


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    texts = [*project["dependencies"], *(text for name in extras() for text in optional[name])]
    return [Requirement(text) for text in texts]


def dependencies(requirement: Requirement, seen: set[str]) -> Iterator[str]:
    """Yield the packages that a requirement needs, according to the installed metadata."""
    name = canonicalize_name(requirement.name)
    yield name
    for extra in ("", *sorted(requirement.extras)):
        if f"{name}[{extra}]" in seen:
            continue
        seen.add(f"{name}[{extra}]")
        for text in metadata.requires(name) or []:
            child = Requirement(text)
            if child.marker is None or child.marker.evaluate({"extra": extra}):
                yield from dependencies(child, seen)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_every_entry_has_hashes_and_no_url(name: str) -> None:
    assert entries(name)
    text = (ROOT / name).read_text("utf-8")
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted|@ ", text)


def test_every_dependency_is_pinned_to_an_accepted_version() -> None:
    pinned = entries("requirements.txt")
    for requirement in requirements():
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}: run `make requirements`"
    built = entries("requirements-build.txt")
    for requirement in map(Requirement, build_requires()):
        assert requirement.specifier.contains(built[requirement.name])


def test_pins_are_exactly_the_dependencies() -> None:
    pinned, seen = entries("requirements.txt"), set[str]()
    needs = {name for requirement in requirements() for name in dependencies(requirement, seen)}
    assert needs <= pinned.keys(), "run `make requirements`"
    # Other Python versions than this one need these packages.
    assert pinned.keys() - needs <= {"typing-extensions", "async-timeout", "tomli"}


def test_image_installs_only_hashed_packages() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    installs = re.findall(r"pip[^\n&]*(?:\\\n[^\n&]*)* install ((?:[^&]|\\\n)*)", text)
    assert len(installs) == 3
    for options in installs:
        assert "--require-hashes" in options or "--no-deps" in options


def test_image_sources_are_in_context_and_source_distribution() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    lines = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    copied = {name for line in lines for name in line.split()}
    assert {"requirements.txt", "requirements-build.txt", "verifier"} <= copied
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {f"!{name}" for name in copied} <= set(ignored)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    included = set(project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    assert copied - {"pyproject.toml"} | {".dockerignore", "Dockerfile", "SECURITY.md"} <= included
    assert all((ROOT / name).exists() for name in included)


def test_bill_of_materials_is_complete_and_reproducible(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    sbom.write(first)
    sbom.write(second)
    assert first.read_bytes() == second.read_bytes()
    document = json.loads(first.read_text("utf-8"))
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "jitsi-verifier"
    versions = {component["name"]: component["version"] for component in document["components"]}
    assert versions == entries("requirements.txt")


@pytest.mark.parametrize(
    ("script", "reports", "words"),
    [
        (f"echo '{json.dumps({'dependencies': [{'name': 'a'}]})}'; exit 1", [{"name": "a"}], ""),
        ("echo trace >&2; echo 'ERROR: no route' >&2; exit 1", None, "pip-audit: osv: ERROR: no r"),
        ("exec sleep 60", None, "pip-audit: osv did not answer within 0.2 s"),
    ],
)
def test_unavailable_vulnerability_service_is_reported(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    script: str,
    reports: list[dict[str, Any]] | None,
    words: str,
) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    time_limit = 0.2 if "sleep" in script else 60
    assert audit.audit("osv", program, time_limit) == reports
    assert words in capsys.readouterr().out


VULNERABLE = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
CLEAN = {"name": "b", "version": "1", "vulns": []}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("answers", "status", "words"),
    [
        ({"pypi": [VULNERABLE, CLEAN]}, 1, "CVE-1, mended in: 2"),
        ({"pypi": [CLEAN, SKIPPED]}, 0, "NOT AUDITED, unknown there: c"),
        ({"pypi": [CLEAN]}, 0, "no known vulnerability in 1 packages (pypi)"),
        ({"pypi": [SKIPPED], "osv": [VULNERABLE]}, 1, "CVE-1"),
        ({"pypi": [SKIPPED]}, 0, "NOT AUDITED: no source"),
        ({}, 0, "NOT AUDITED: no source"),
    ],
)
def test_audit_fails_for_findings_and_reports_gaps(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: dict[str, list[dict[str, Any]]],
    status: int,
    words: str,
) -> None:
    monkeypatch.setattr(audit, "audit", answers.get)
    assert audit.main() == status
    assert words in capsys.readouterr().out
