"""Run unit tests, recorded cases and fuzzers with the wheel whose hot modules are compiled.

``python -m tests.support.compiled`` builds the wheel and installs it into a virtual environment of
its own (``.venv-compiled``). The tests come from the source tree, and the verifier from the wheel:
the tree stands behind the wheel in Python's search path.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.fuzz.harnesses import HARNESSES
from tests.support.paths import ROOT

_ENVIRONMENT: Final = ROOT / ".venv-compiled"
_PYTHON: Final = str(_ENVIRONMENT / "bin" / "python")
_HOOK: Final = "HATCH_BUILD_HOOK_ENABLE_CUSTOM"
_TESTS: Final = ("tests/unit", "tests/conformance", "tests/fuzz/test_fuzz_corpus.py")
_PYTEST: Final = ("-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", "-p", "no:cacheprovider")
# The folder in which a program starts stands first in its search path without this variable.
_ENVIRON: Final = os.environ | {"PYTHONSAFEPATH": "1"}


def main() -> int:
    """Run everything; return 0 if all of it passed."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.compiled")
    parser.add_argument("--seconds", type=int, default=10, help="of each fuzzer; default 10")
    seconds = str(parser.parse_args().seconds)
    install()
    commands = (
        ("-m", "verifier", "--version"),
        ("-m", "tests.conformance"),
        (*_PYTEST, *_TESTS),
        # The search for dear requests counts executed lines of Python: it needs the source.
        ("-m", "tests.fuzz", "--seconds", seconds, *HARNESSES),
    )
    for command in commands:
        print("\n== compiled:", *command, flush=True)
        if subprocess.run([_PYTHON, *command], cwd=ROOT, env=_ENVIRON, check=False).returncode:
            return 1
    return 0


def install() -> None:
    """Build the wheel, and install it with the packages of the tests."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(_ENVIRONMENT)], check=True)
    pip = (_PYTHON, "-m", "pip", "install", "--quiet")
    subprocess.run([*pip, "--upgrade", "pip"], check=True)
    project = ROOT / "pyproject.toml"
    groups = [f"--group={project}:{name}" for name in ("unit", "fuzz")]
    with TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "build", "--quiet", "--wheel", "--outdir", folder, str(ROOT)]
        subprocess.run(build, env=os.environ | {_HOOK: "true"}, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        subprocess.run([*pip, f"{wheel}[otel,redis]", *groups], check=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(_ENVIRONMENT)})
    Path(packages, "source-tree.pth").write_text(f"{ROOT}\n", "utf-8")
    check = "import verifier.rules.engine as m; raise SystemExit(not m.__file__.endswith('.so'))"
    subprocess.run([_PYTHON, "-c", check], cwd=ROOT, env=_ENVIRON, check=True)


if __name__ == "__main__":
    sys.exit(main())
