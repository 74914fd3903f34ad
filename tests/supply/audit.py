"""``python -m tests.supply.audit`` looks for known vulnerabilities of the packages in the image.

pip-audit skips a package if the vulnerability service has no answer for it, and it succeeds even if
all packages are skipped. This program prints which packages were not audited. That is no failure,
because a machine without network access also runs `make check`.
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
    source: str, program: Path = PROGRAM, time_limit: float = 120
) -> list[dict[str, Any]] | None:
    """Return a report for each package, or None if the vulnerability service does not answer.

    Args:
        source: Name of the vulnerability service.
        program: Path of pip-audit.
        time_limit: Seconds for all packages together.
    """
    options = ["--format=json", "--progress-spinner=off", "--disable-pip", "--require-hashes"]
    command = [str(program), *options, "--timeout=10", f"--vulnerability-service={source}"]
    files = [f"--requirement={ROOT / name}" for name in FILES]
    try:
        done = subprocess.run(
            [*command, *files], capture_output=True, text=True, timeout=time_limit, check=False
        )
        reports: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"pip-audit: {source} did not answer within {time_limit:g} s")
        return None
    except ValueError:
        reason = (done.stderr.strip().splitlines() or ["no report"])[-1]
        print(f"pip-audit: {source}: {reason}")
        return None
    return reports


def sort_reports(reports: Iterable[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Return the findings, and the names of packages that were not audited."""
    findings, unknown = [], []
    for report in reports:
        if "skip_reason" in report:
            unknown.append(report["name"])
        for vulnerability in report.get("vulns", []):
            fixed = ", ".join(vulnerability["fix_versions"]) or "none yet"
            findings.append(
                f"{report['name']} {report['version']}: {vulnerability['id']}, mended in: {fixed}"
            )
    return findings, unknown


def main() -> int:
    """Print the findings; return 1 if there are any."""
    for source in SOURCES:
        reports = audit(source)
        findings, unknown = sort_reports(reports or [])
        if findings:
            print("pip-audit:", *findings, sep="\n  ")
            return 1
        if reports and len(unknown) < len(reports):
            audited = len(reports) - len(unknown)
            print(f"pip-audit: no known vulnerability in {audited} packages ({source})")
            if unknown:
                print("pip-audit: NOT AUDITED, unknown there:", ", ".join(unknown))
            return 0
    print("pip-audit: NOT AUDITED: no source of vulnerability data can be reached from here")
    return 0


if __name__ == "__main__":
    sys.exit(main())
