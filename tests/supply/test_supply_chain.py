"""What the image is made of: pinned, hashed, in step with the project, from any registry."""

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
    """Read a file whole, each entry as strictly as pip has to; gives names and versions."""
    text = (ROOT / name).read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", "\n".join(lines)):
        match = _ENTRY.fullmatch(entry)
        assert match is not None, f"{name}: no pin with hashes: {entry[:60]}"
        assert match[1] not in found
        found[match[1]] = match[2]
    return found


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    given = [*project["dependencies"], *(each for name in extras() for each in optional[name])]
    return [Requirement(each) for each in given]


def needed(requirement: Requirement, seen: set[str]) -> Iterator[str]:
    """Name what a requirement needs here, by what is installed."""
    name = canonicalize_name(requirement.name)
    yield name
    for extra in ("", *sorted(requirement.extras)):
        if f"{name}[{extra}]" in seen:
            continue
        seen.add(f"{name}[{extra}]")
        for text in metadata.requires(name) or []:
            child = Requirement(text)
            if child.marker is None or child.marker.evaluate({"extra": extra}):
                yield from needed(child, seen)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_every_entry_has_hashes_and_no_address(name: str) -> None:
    assert entries(name)
    text = (ROOT / name).read_text("utf-8")
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted|@ ", text)


def test_every_dependency_is_pinned_to_a_version_that_the_project_accepts() -> None:
    pinned = entries("requirements.txt")
    for requirement in wanted():
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}: run `make requirements`"
    built = entries("requirements-build.txt")
    for requirement in map(Requirement, build_requires()):
        assert requirement.specifier.contains(built[requirement.name])


def test_nothing_is_missing_and_nothing_is_too_much() -> None:
    pinned, seen = entries("requirements.txt"), set[str]()
    needs = {name for requirement in wanted() for name in needed(requirement, seen)}
    assert needs <= pinned.keys(), "run `make requirements`"
    # For other versions of Python than this one.
    assert pinned.keys() - needs <= {"typing-extensions", "async-timeout", "tomli"}


def test_the_image_installs_these_and_nothing_else() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    installs = re.findall(r"pip[^\n&]*(?:\\\n[^\n&]*)* install ((?:[^&]|\\\n)*)", text)
    assert len(installs) == 3
    for options in installs:
        assert "--require-hashes" in options or "--no-deps" in options


def test_what_the_image_is_built_from_is_in_its_context_and_in_the_source_distribution() -> None:
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


def test_the_bill_of_materials_names_every_pin_and_is_the_same_each_time(tmp_path: Path) -> None:
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    sbom.write(first)
    sbom.write(second)
    assert first.read_bytes() == second.read_bytes()
    document = json.loads(first.read_text("utf-8"))
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "jitsi-verifier"
    found = {each["name"]: each["version"] for each in document["components"]}
    assert found == entries("requirements.txt")


@pytest.mark.parametrize(
    ("script", "reports", "words"),
    [
        (f"echo '{json.dumps({'dependencies': [{'name': 'a'}]})}'; exit 1", [{"name": "a"}], ""),
        ("echo trace >&2; echo 'ERROR: no route' >&2; exit 1", None, "pip-audit: osv: ERROR: no r"),
        ("exec sleep 60", None, "pip-audit: osv did not answer within 0.2 s"),
    ],
)
def test_a_source_that_does_not_answer_is_named_and_holds_up_nothing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    script: str,
    reports: list[dict[str, Any]] | None,
    words: str,
) -> None:
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    longest = 0.2 if "sleep" in script else 60
    assert audit.audit("osv", program, longest) == reports
    assert words in capsys.readouterr().out


KNOWN = {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
CLEAN = {"name": "b", "version": "1", "vulns": []}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("answers", "status", "words"),
    [
        ({"pypi": [KNOWN, CLEAN]}, 1, "CVE-1, mended in: 2"),
        ({"pypi": [CLEAN, SKIPPED]}, 0, "NOT AUDITED, unknown there: c"),
        ({"pypi": [CLEAN]}, 0, "no known vulnerability in 1 packages (pypi)"),
        ({"pypi": [SKIPPED], "osv": [KNOWN]}, 1, "CVE-1"),
        ({"pypi": [SKIPPED]}, 0, "NOT AUDITED: no source"),
        ({}, 0, "NOT AUDITED: no source"),
    ],
)
def test_an_audit_fails_for_what_it_finds_and_says_what_it_could_not_ask(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: dict[str, list[dict[str, Any]]],
    status: int,
    words: str,
) -> None:
    monkeypatch.setattr(audit, "audit", answers.get)
    assert audit.main() == status
    assert words in capsys.readouterr().out
