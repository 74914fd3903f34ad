"""No text installs this program by a bare name: in an index, the name may belong to others."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest

from tests.support.paths import ROOT

_SUFFIXES = {
    *("", ".1", ".html", ".js", ".lua", ".md", ".py", ".service", ".toml", ".txt", ".yaml", ".yml"),
}
_FOLDERS = ("verifier", "docs", "contrib", "tests")
_INSTALL = re.compile(r"\b(?:pipx?|uv|uvx)3?(?: pip| tool)? (?:install|run|download) ([^\n`]*)")
_OUR_NAME = re.compile(r"jitsi[-_.]verifier", re.IGNORECASE)
_EXTRA = re.compile(r"jitsi[-_.]verifier ?\[", re.IGNORECASE)
THESE_FILES = {"test_package_names.py", ".git"}


def texts() -> dict[str, str]:
    """Return the text of every file that people read or run, by its name."""
    paths = [*ROOT.glob("*"), *(path for each in _FOLDERS for path in (ROOT / each).rglob("*"))]
    return {
        str(path.relative_to(ROOT)): path.read_text("utf-8")
        for path in paths
        if path.suffix in _SUFFIXES
        and path.is_file()
        and not {"node_modules", "__pycache__"} & set(path.parts)
        and path.name not in THESE_FILES
    }


def bare_names(text: str) -> list[str]:
    """Return what installs this program, or an extra of it, from an index."""
    found = [word for line in _INSTALL.findall(text) for word in words(line) if is_bare(word)]
    return found + _EXTRA.findall(text)


def words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return line.split()


def is_bare(word: str) -> bool:
    return _OUR_NAME.match(word) is not None and not re.search(r"\.(whl|tar\.gz)", word)


def test_no_text_installs_this_program_by_its_bare_name() -> None:
    names = texts()
    assert {"README.md", "verifier/config/problems.py", "Makefile"} <= set(names)
    found = {name: bare for name in names if (bare := bare_names((ROOT / name).read_text("utf-8")))}
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "pip install 'jitsi-verifier[redis]'",
        "pip3 install --upgrade jitsi_verifier",
        "pipx install jitsi-verifier",
        "uv tool install jitsi-verifier==1.0",
        "needs jitsi-verifier[otel]",
    ],
)
def test_bare_names_are_found(text: str) -> None:
    assert bare_names(text)


@pytest.mark.parametrize(
    "text",
    [
        "pip install .",
        "pip install '.[redis,otel]'",
        "/opt/jitsi-verifier/bin/pip install .",
        "pip install dist/jitsi_verifier-1.0-py3-none-any.whl",
    ],
)
def test_paths_are_no_bare_names(text: str) -> None:
    assert not bare_names(text)


def test_no_requirement_of_the_project_is_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    required = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for extra in project["project"]["optional-dependencies"].values():
        required += extra
    for group in project["dependency-groups"].values():
        required += [each for each in group if isinstance(each, str)]
    assert [each for each in required if _OUR_NAME.match(each)] == []
