"""docs/kubernetes.md, as it stands: real helm and kubectl, a cluster in memory, a real gate.

Only ``kubectl exec`` is replaced: it runs the command on this machine, with the files that the pod
would mount.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.documents import blocks
from tests.support.helm import CHART, rendered, tool
from tests.support.jitsi import Jitsi
from tests.support.kubernetes_api import Cluster, kubernetes_api
from tests.support.paths import CONTRIB, DOCS
from tests.support.processes import running_verifier
from tests.support.tokens import SECRET
from tests.system.proxies.programs import envoy_gateway

PAGE = (DOCS / "kubernetes.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (.*)\n((?:(?!^## ).*\n?)*)", PAGE, re.MULTILINE))
PATH = list(SECTIONS)[: list(SECTIONS).index("The values")]

KUBECTL = """\
#!/bin/bash
# Runs "kubectl exec … -- COMMAND" here, with the files that the pod mounts.
set -e
real() { "$KUBECTL" -n jitsi "$@"; }
case " $* " in
*" exec "*)
    while [ "$1" != -- ]; do shift; done
    shift
    mkdir -p "$POD/secrets"
    real get configmap jitsi-verifier -o jsonpath='{.data.verifier\\.toml}' |
        sed "s#/etc/jitsi-verifier#$POD#; s#/var/lib/jitsi-verifier#$POD#" > "$POD/verifier.toml"
    for key in app-secret admin-token; do
        real get secret jitsi-verifier -o jsonpath="{.data.$key}" | base64 -d > "$POD/secrets/$key"
    done
    if [ "$2" = check-gate ]; then
        set -- "$@" --connect-to "::127.0.0.1:$(cat "$POD/port")" --insecure
    fi
    exec env -u JWT_APP_SECRET VERIFIER_CONFIG="$POD/verifier.toml" "$@" ;;
esac
exec "$KUBECTL" "$@"
"""


class Shell:
    """A folder with the repository's ``contrib``, in which the page's commands run."""

    def __init__(self, folder: Path, config: Path) -> None:
        self.folder, self.pod = folder, folder / "pod"
        (folder / "contrib").symlink_to(CONTRIB)
        programs = folder / "bin"
        programs.mkdir()
        (programs / "helm").symlink_to(tool("helm"))
        (programs / "kubectl").write_text(KUBECTL)
        (programs / "kubectl").chmod(0o755)
        self._environ = {
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "KUBECONFIG": str(config),
            "KUBECTL": str(tool("kubectl")),
            "POD": str(self.pod),
            "JWT_APP_SECRET": SECRET,
        }

    def run(self, script: str) -> str:
        """Run the lines of a block; each has to succeed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def section(self, name: str) -> str:
        """Do what a section says: add its values to values.yaml, then run its commands."""
        with (self.folder / "values.yaml").open("a") as file:
            file.write("".join(blocks(SECTIONS[name], "yaml")))
        return "".join(self.run(script) for script in blocks(SECTIONS[name], "sh"))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Cluster, Path]]:
    with kubernetes_api(tmp_path) as started:
        yield started


@pytest.fixture
def jitsi() -> Iterator[Jitsi]:
    server = Jitsi()
    yield server
    server.stop()


def certificate(folder: Path) -> Path:
    """Return a file with a certificate for the page's host, and its key."""
    file = folder / "tls.pem"
    name = ["-subj", "/CN=meet.example.org", "-addext", "subjectAltName=DNS:meet.example.org"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *name]
    files: list[str | Path] = ["-keyout", file, "-out", folder / "cert.pem"]
    subprocess.run([*command, *files], check=True, capture_output=True)
    file.write_text(file.read_text() + (folder / "cert.pem").read_text())
    return file


def test_path_leads_from_nothing_to_a_shut_gate_and_back(
    cluster: tuple[Cluster, Path], jitsi: Jitsi, tmp_path: Path
) -> None:
    objects, config = cluster
    shell = Shell(tmp_path, config)
    assert PATH == [
        "1. Make the Secret",
        "2. Install the verifier",
        "3. Put the gate in front of Jitsi",
        "Check that it works",
        "Upgrade and go back",
        "Undo",
    ]
    shell.section(PATH[0])
    assert "valid" in shell.section(PATH[1])
    assert objects.find("HTTPRoute") == []
    shell.section(PATH[2])
    kinds = ("ClientTrafficPolicy", "EnvoyProxy", "HTTPRoute", "SecurityPolicy")
    resources = [each for kind in kinds for each in objects.find(kind)]
    with running_verifier(tmp_path, shell.pod / "verifier.toml") as verifier:
        gate = envoy_gateway(
            tmp_path / "gate",
            verifier.port,
            jitsi.port,
            resources=resources,
            certificate=certificate(tmp_path),
        )
        (shell.pod / "port").write_text(str(gate.port))
        try:
            shell.section(PATH[3])
        finally:
            gate.stop()
    assert "Rollback was a success" in shell.section(PATH[4])
    assert len(objects.find("HTTPRoute")) == 2
    shell.section(PATH[5])
    assert not any(objects.find(kind) for kind in ("Deployment", "Secret", *kinds))


def test_secret_changes(cluster: tuple[Cluster, Path], tmp_path: Path) -> None:
    shell = Shell(tmp_path, cluster[1])
    shell.section("1. Make the Secret")
    shell.section("2. Install the verifier")
    (tmp_path / "app-secret").write_text(f"{SECRET}\nanother-secret-of-more-than-32-bytes\n")
    shell.section("Change the shared secret")
    shell.run("kubectl -n jitsi exec deploy/jitsi-verifier -- jitsi-verifier check-config")
    text = (tmp_path / "app-secret").read_text()
    assert (shell.pod / "secrets/app-secret").read_text() == text
    assert (shell.pod / "secrets/admin-token").read_text()


def test_image_has_the_tag_that_the_chart_expects() -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))["appVersion"]
    assert f"-t registry.example.org/jitsi-verifier:{version} ." in PAGE


@pytest.mark.parametrize("section", ["Without Helm", "Redis"])
def test_manifests_are_applied(section: str, cluster: tuple[Cluster, Path], tmp_path: Path) -> None:
    output = Shell(tmp_path, cluster[1]).section(section)
    assert "created" in output
    assert "Warning" not in output


@pytest.mark.parametrize("section", ["Traefik", "ingress-nginx", "Redis"])
def test_values_of_a_section_fit_the_first_ones(section: str) -> None:
    (first,) = blocks(SECTIONS[PATH[1]], "yaml")
    (other,) = blocks(SECTIONS[section], "yaml")
    values = yaml.safe_load(first) | yaml.safe_load(other)
    kinds = {manifest["kind"] for manifest in rendered(values=yaml.safe_dump(values))}
    expected = {"Traefik": "IngressRoute", "ingress-nginx": "Ingress", "Redis": "Deployment"}
    assert expected[section] in kinds
