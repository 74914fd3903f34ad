"""Write the files of the chart, and of ``contrib/kubernetes``, that are made from others.

The chart has the program's version, the alerts of ``contrib/prometheus``, and a schema of the
options in ``verifier/config/options.py``. The manifests of ``contrib/kubernetes`` are what
``helm template`` writes; they need helm, which ``tests/support/helm.py`` finds.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, Final

from tests.support.helm import CHART, rendered_text
from verifier.config.option import Option
from verifier.config.options import OPTIONS
from verifier.config.value_types import ListForm

_CONTRIB: Final = Path(__file__).parents[1]
_RULES: Final = "jitsi-verifier.rules.yml"
_STRING: Final = {"type": "string", "minLength": 1}
_STRINGS: Final = {"anyOf": [_STRING, {"type": "array", "items": _STRING, "minItems": 1}]}
_MADE: Final = "# Made by contrib/helm/build.py from contrib/helm/jitsi-verifier; change that.\n"
# Helm's own, which manifests for `kubectl apply` must not have.
_OF_HELM: Final = re.compile(
    r"^(# Source: .*| *helm\.sh/chart: .*| *app\.kubernetes\.io/managed-by: .*"
    r"| *annotations:\n( *# .*\n)+( *checksum/.*\n?)+)\n?",
    re.MULTILINE,
)


def chart() -> str:
    """Return ``Chart.yaml`` with the program's version."""
    text = (CHART / "Chart.yaml").read_text("utf-8")
    project = tomllib.loads((_CONTRIB.parent / "pyproject.toml").read_text("utf-8"))["project"]
    return re.sub(r"(?m)^((?:appV|v)ersion: ).*$", rf"\g<1>{project['version']}", text)


def rules() -> str:
    """Return the alerts."""
    return (_CONTRIB / "prometheus" / _RULES).read_text("utf-8")


def schema() -> str:
    """Return the schema of the values, with one property for each option."""
    values = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    host = _table([option for option in OPTIONS if option.per_host])
    config = _table(list(OPTIONS))
    config["properties"]["hosts"] = {"type": "object", "additionalProperties": host}
    values["properties"]["config"] = config
    return json.dumps(values, indent=2) + "\n"


def _table(options: list[Option]) -> dict[str, Any]:
    """Return the schema of one table; a table of TOML is an object with its own options."""
    properties: dict[str, Any] = {}
    for option in options:
        table, _, key = option.name.rpartition(".")
        place = properties
        if table:
            place = properties.setdefault(table, _object({}))["properties"]
        # The templates refuse a secret themselves, and say where it belongs.
        place[key] = {"description": option.help} | ({} if option.type.secret else _type(option))
        if option.file_key:
            place[option.file_key] = _STRING
    return _object(properties)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _type(option: Option) -> dict[str, Any]:
    example = tomllib.loads(f"value = {option.example}")["value"]
    if option.type.list_form is not ListForm.SINGLE:
        return _STRINGS
    if isinstance(example, bool):
        return {"type": "boolean"}
    if isinstance(example, dict):
        return {"type": "object", "additionalProperties": _STRING}
    if isinstance(example, int | float):
        return {"type": _number_type(option), "minimum": 0}
    return _STRING


def _number_type(option: Option) -> str:
    try:
        option.type.from_toml(0.5)
    except ValueError:
        return "integer"
    return "number"


_IMAGE: Final = "image: { repository: registry.example.org/jitsi-verifier }\n"
_CONFIG: Final = "config: { app_id: my_app, muc_mapper_domain_base: meet.jitsi }\n"
_SECRETS: Final = """\
secrets:
  app-secret: change-me-to-32-random-bytes-or-more
  admin-token: change-me-to-32-random-bytes-too
"""
_BASE: Final = _IMAGE + _CONFIG + _SECRETS
_ROUTE: Final = "route: {{ kind: {0}, host: meet.example.org, gatewayAPI: {{ tlsSecret: {1} }} }}\n"

MANIFESTS: Final = {
    "sidecar.yaml": ("", "none"),
    "gateway-api.yaml": ("templates/route-gateway-api.yaml", "gatewayAPI"),
    "traefik.yaml": ("templates/route-traefik.yaml", "traefik"),
    "ingress.yaml": ("templates/route-ingress-nginx.yaml", "ingressNginx"),
}
"""Each manifest of ``contrib/kubernetes``: the template that it has, or all; the route's kind."""


def manifest(name: str) -> str:
    """Return the text of one manifest of ``contrib/kubernetes``."""
    template, kind = MANIFESTS[name]
    only = ("--show-only", template) if template else ()
    tls = "meet-example-org-tls" if kind == "gatewayAPI" else '""'
    text = rendered_text(*only, values=_BASE + _ROUTE.format(kind, tls))
    text = re.sub(r"\n{3,}", "\n\n", _OF_HELM.sub("", text))
    return _MADE + text.lstrip("-\n")


_OF_THE_CHART: Final = {
    "chart": (CHART / "Chart.yaml", chart),
    "rules": (CHART / "files" / _RULES, rules),
    "schema": (CHART / "values.schema.json", schema),
}


def made(name: str) -> tuple[Path, str]:
    """Return the path and the text of a made file."""
    if name in MANIFESTS:
        return _CONTRIB / "kubernetes" / name, manifest(name)
    path, text = _OF_THE_CHART[name]
    return path, text()


if __name__ == "__main__":
    for each in (*_OF_THE_CHART, *MANIFESTS):
        path, text = made(each)
        path.write_text(text, "utf-8")
