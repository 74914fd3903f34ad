"""``python -m tests.supply.audit``: asks whether what the image installs is known to be weak.

pip-audit calls a package that its source of data does not answer for "skipped", and all of them
skipped a success. Here that is said, so that nobody takes silence for a clean bill; it is no
failure, for a machine without the outside world has to be able to check the rest.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT

PROGRAM = Path(sys.executable).with_name("pip-audit")
SOURCES = ("pypi", "osv")
FILES = ("requirements.txt", "requirements-build.txt")


def audit(
    source: str, program: Path = PROGRAM, longest: float = 120
) -> list[dict[str, Any]] | None:
    """Ask one source of data; gives a report for each package, or None if it cannot be asked.

    Args:
        source: Which one.
        program: pip-audit.
        longest: How long, seconds, to wait for all packages together.
    """
    options = ["--format=json", "--progress-spinner=off", "--disable-pip", "--require-hashes"]
    command = [str(program), *options, "--timeout=10", f"--vulnerability-service={source}"]
    files = [f"--requirement={ROOT / name}" for name in FILES]
    try:
        done = subprocess.run(
            [*command, *files], capture_output=True, text=True, timeout=longest, check=False
        )
        reports: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"pip-audit: {source} did not answer within {longest:g} s")
        return None
    except ValueError:
        reason = (done.stderr.strip().splitlines() or ["no report"])[-1]
        print(f"pip-audit: {source}: {reason}")
        return None
    return reports


def judge(reports: Iterable[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Sort reports into findings, and packages that nothing was found out about."""
    findings, unknown = [], []
    for each in reports:
        if "skip_reason" in each:
            unknown.append(each["name"])
        for found in each.get("vulns", []):
            fixed = ", ".join(found["fix_versions"]) or "none yet"
            findings.append(f"{each['name']} {each['version']}: {found['id']}, mended in: {fixed}")
    return findings, unknown


def main() -> int:
    """Print what is known; 1 if anything is."""
    for source in SOURCES:
        reports = audit(source)
        findings, unknown = judge(reports or [])
        if findings:
            print("pip-audit:", *findings, sep="\n  ")
            return 1
        if reports and len(unknown) < len(reports):
            asked = len(reports) - len(unknown)
            print(f"pip-audit: no known vulnerability in {asked} packages ({source})")
            if unknown:
                print("pip-audit: NOT AUDITED, unknown there:", ", ".join(unknown))
            return 0
    print("pip-audit: NOT AUDITED: no source of vulnerability data can be reached from here")
    return 0


if __name__ == "__main__":
    sys.exit(main())
