"""What makes a release: a clean commit, a dated changelog, the right files and checksums."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.supply import release
from tests.support.paths import ROOT
from tests.system.image import building

DATED = "## [Unreleased]\n\n## [7.8.9] - 2026-11-30\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "7.8.9"\n')
    (tmp_path / "CHANGELOG.md").write_text(DATED)
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for command in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "-m", "A")):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    return tmp_path


def test_clean_commit_with_dated_section_is_a_release(project: Path) -> None:
    assert release.find_obstacles(project) == []


@pytest.mark.parametrize("file", ["pyproject.toml", "new.py"])
def test_changed_and_new_files_are_refused(project: Path, file: str) -> None:
    with (project / file).open("a") as text:
        text.write("# changed\n")
    (obstacle,) = release.find_obstacles(project)
    assert f"found changes that are in no commit ({file})" in obstacle


@pytest.mark.parametrize(
    "section", ["", "## [7.8.9]\n", "## [7.8.9] - soon\n", "## [7.8.8] - 2026-11-30\n"]
)
def test_version_without_date_in_changelog_is_refused(project: Path, section: str) -> None:
    (project / "CHANGELOG.md").write_text(f"## [Unreleased]\n\n{section}")
    obstacle = release.find_obstacles(project)[-1]
    assert obstacle.endswith("expected '## [7.8.9] - YYYY-MM-DD'")


def test_release_has_each_kind_of_file_once() -> None:
    version = re.escape(release.version())
    patterns = [
        rf"jitsi_verifier-{version}-py3-none-any\.whl",
        rf"jitsi_verifier-{version}\.tar\.gz",
        rf"jitsi-verifier_{version}_\w+\.deb",
        rf"jitsi-verifier-{version}-image-\w+\.tar\.gz",
        rf"jitsi-verifier-{version}\.cdx\.json",
    ]
    names = list(release.builders(None))
    assert len(names) == len(patterns)
    assert all(map(re.fullmatch, patterns, names))


def test_checksums_are_those_of_all_files(tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    files = {name: lambda to, name=name: (to / name).write_text(name) for name in ("b", "a")}
    release.release(folder, files)
    sums = (folder / release.SUMS).read_text()
    assert [line.split()[1] for line in sums.splitlines()] == ["a", "b"]
    subprocess.run(["sha256sum", "--check", "--quiet", release.SUMS], cwd=folder, check=True)


def test_another_file_than_expected_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="expected a, found b"):
        release.release(tmp_path / "dist", {"a": lambda folder: (folder / "b").touch()})


def test_same_commit_gives_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795996800")
    kinds = {
        name: build
        for name, build in release.builders(None).items()
        if name.endswith((".whl", ".cdx.json")) or name.startswith("jitsi_verifier")
    }
    assert len(kinds) == 3
    for folder in ("first", "second"):
        release.release(tmp_path / folder, kinds)
    first, second = ((tmp_path / name / release.SUMS).read_text() for name in ("first", "second"))
    assert first == second


def test_image_without_buildah_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert building.find_obstacle().startswith("expected buildah, found none")


def test_image_test_builds_the_image_of_the_release() -> None:
    for file in ("tests/system/image/__main__.py", "tests/supply/release.py"):
        text = (ROOT / file).read_text("utf-8")
        assert "make_base(" in text
        assert re.search(r"\bbuild\(base", text) or "building.build(base" in text
