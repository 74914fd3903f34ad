"""Each folder of ``contrib`` has one guide: what it needs, how to install, check and undo it."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import CONTRIB, ROOT

GUIDES = {
    "nginx": "docs/debian-nginx.md",
    "systemd": "docs/debian-nginx.md",
    "docker-compose": "docs/docker-jitsi-meet.md",
    "helm": "docs/kubernetes.md",
    "kubernetes": "docs/kubernetes.md",
    "prosody": "docs/prosody.md",
    "caddy": "docs/other-proxies.md",
    "envoy": "docs/other-proxies.md",
    "haproxy": "docs/other-proxies.md",
    "traefik": "docs/other-proxies.md",
    "prometheus": "contrib/prometheus/README.md",
    "grafana": "contrib/grafana/README.md",
    "fail2ban": "contrib/fail2ban/README.md",
}
STEPS = (r"You need|Needs\b|Tested with", r"Install|Start|Debian\n", "Check that it works", "Undo")
DEVELOPMENT = {".busted", ".luacheckrc", "build.py", "spec", "README.md"}


def guide(folder: str) -> str:
    return (ROOT / GUIDES[folder]).read_text("utf-8")


@pytest.mark.parametrize("folder", GUIDES)
def test_guide_has_needs_install_check_and_undo(folder: str) -> None:
    text = guide(folder)
    assert [step for step in STEPS if not re.search(step, text)] == []


@pytest.mark.parametrize("folder", ["caddy", "envoy", "haproxy", "traefik"])
def test_each_proxys_section_has_install_and_undo(folder: str) -> None:
    sections = re.split(r"^## ", guide(folder), flags=re.MULTILINE)
    (section,) = [text for text in sections if text.lower().startswith(f"{folder}\n")]
    assert re.search(STEPS[0], section)
    assert "**Install.**" in section
    assert "**Undo.**" in section


@pytest.mark.parametrize("folder", GUIDES)
def test_guide_names_every_file_of_its_folder(folder: str) -> None:
    names = {file.name for file in (CONTRIB / folder).iterdir()} - DEVELOPMENT
    assert [name for name in names if name not in guide(folder)] == []


@pytest.mark.parametrize("folder", GUIDES)
def test_folders_readme_links_to_its_guide(folder: str) -> None:
    readme = CONTRIB / folder / "README.md"
    assert readme == ROOT / GUIDES[folder] or f"../../{GUIDES[folder]}" in readme.read_text("utf-8")
