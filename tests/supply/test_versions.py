"""One version in every file that names it."""

from __future__ import annotations

import json
import re
import tomllib

from tests.support.paths import CONTRIB, DOCS, ROOT

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
_NAMED = re.compile(
    r"(?:jitsi-verifier:(?:\$\{\w+:-)?|app\.kubernetes\.io/version: \"|^(?:appV|v)ersion: )"
    r"(\d+\.\d+\.\d+)",
    re.MULTILINE,
)


def test_files_name_only_the_projects_version() -> None:
    files = [path for path in CONTRIB.rglob("*") if path.suffix in {".yml", ".yaml", ".md"}]
    found = {
        (path.name, version)
        for path in [*files, *DOCS.glob("*.md")]
        for version in _NAMED.findall(path.read_text("utf-8"))
    }
    assert {"Chart.yaml", "sidecar.yaml", "jitsi-verifier.yml"} <= {name for name, _ in found}
    assert {version for _, version in found} == {_PROJECT["version"]}, found


def test_openapi_document_has_the_projects_version() -> None:
    document = json.loads((ROOT / "verifier/http/admin/openapi.json").read_text("utf-8"))
    assert document["info"]["version"] == _PROJECT["version"]
