"""Custom resources are compared with their published types by the TypeScript compiler.

``kubernetes-validate`` knows only the resources of Kubernetes itself. A compiler refuses an unknown
field too, which a JSON schema of a custom resource does not.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.support.helm import KUBERNETES, Manifest

_PUBLISHED: Final = {
    "gateway.networking.k8s.io/v1": "@kubernetes-models/gateway-api",
    "traefik.io/v1alpha1": "@kubernetes-models/traefik",
    "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator",
}
_OWN: Final = "gateway.envoyproxy.io/v1alpha1"


def is_custom(manifest: Manifest) -> bool:
    """Return whether a resource is not one of Kubernetes itself."""
    return manifest["apiVersion"] in {*_PUBLISHED, _OWN}


def mistakes(manifests: list[Manifest], folder: Path) -> str:
    """Return what is wrong with custom resources, one line each; empty if nothing is.

    Args:
        manifests: The resources; a kind that has no type is a mistake.
        folder: An empty folder.
    """
    lines = []
    for number, manifest in enumerate(manifests):
        version, kind = manifest["apiVersion"], manifest["kind"]
        own = "./custom_resources"
        module = own if version == _OWN else f"{_PUBLISHED[version]}/{version}/{kind}"
        alias = f"Type{number}"
        lines.append(f'import type {{ I{kind} as {alias} }} from "{module}";')
        lines.append(f"export const manifest{number}: {alias} = {json.dumps(manifest, indent=1)};")
    (folder / "manifests.ts").write_text("\n".join(lines), "utf-8")
    shutil.copy(Path(__file__).with_suffix(".d.ts"), folder)
    (folder / "node_modules").symlink_to(KUBERNETES / "node_modules")
    options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022"]
    options += ["--module", "nodenext", "--moduleResolution", "nodenext"]
    compiler = KUBERNETES / "node_modules/typescript/bin/tsc"
    command: list[str | Path] = ["node", compiler, *options, "manifests.ts"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
    return done.stdout + done.stderr
