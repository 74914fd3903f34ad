"""A new option needs its declaration and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.support.paths import PACKAGE, ROOT

DECLARATION = """\
    spare_seconds: int = option(
        "VERIFIER_SPARE_SECONDS",
        types.UP_TO_A_DAY,
        7,
        unit="seconds",
        per_host=True,
        help="How long nothing happens.",
        example="8",
    )
"""
BEFORE = "    log_format: LogFormat = option(\n"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a copy of the package says whose ``options.py`` has one more declaration."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(PACKAGE, folder / "verifier", ignore=shutil.ignore_patterns("__pycache__"))
    options = folder / "verifier/config/options.py"
    text = options.read_text("utf-8")
    assert text.count(BEFORE) == 1
    options.write_text(text.replace(BEFORE, DECLARATION + BEFORE), "utf-8")
    path = {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    # -P keeps the working directory, which has the package without the option, from coming first.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.support.new_option", "spare_seconds"],
        env={**os.environ, **path},
        check=True,
        stdout=subprocess.PIPE,
        timeout=60,
    )
    return json.loads(done.stdout)


def test_new_option_has_its_default(found: Any) -> None:
    assert found["default"] == 7


def test_new_option_is_read_from_every_place(found: Any) -> None:
    assert (found["file"], found["host"], found["environment"]) == (8, 9, 10)


def test_new_option_is_shown_by_check_config_and_help(found: Any) -> None:
    assert found["check-config"] == "10"
    assert found["help"] == "How long nothing happens. Default: 7."


def test_new_option_is_documented_and_passed_to_the_container(found: Any) -> None:
    assert "#### `spare_seconds`\n\nHow long nothing happens.\n" in found["page"]
    assert "| file | `spare_seconds = 8` |\n" in found["page"]
    assert "| environment | `VERIFIER_SPARE_SECONDS=8` |\n" in found["page"]
    assert "            - VERIFIER_SPARE_SECONDS\n" in found["compose"]
