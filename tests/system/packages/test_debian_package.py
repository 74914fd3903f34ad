"""The Debian package: installed, configured, upgraded, removed and purged in a clean Debian."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supply.release import version
from tests.support.paths import ROOT
from tests.system.packages.clean_debian import CleanDebian
from tests.system.packages.lifecycle import CONFIGURATION, Machine, live, with_version
from tests.system.prosody.copies import DebianCopy

VERSION = version()
REFUSING, NEWER = f"{VERSION}+next1", f"{VERSION}+next2"
NOTICE = "jitsi-verifier check-config && systemctl enable --now jitsi-verifier"
ALLOWED_AND_DENIED = "200, 403 room-mismatch"


@pytest.fixture(scope="module")
def machine(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    original = CleanDebian(package)
    original.install()
    folder = tmp_path_factory.mktemp("debian")
    shutil.copy(package, folder)
    refusing = with_version(package, REFUSING, folder, refuses=True)
    newer = with_version(package, NEWER, folder)
    with DebianCopy(original, folder, own_network=True) as debian:
        yield live(debian, folder / package.name, refusing, newer)


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    return folder


def test_package_has_the_projects_version(package: Path) -> None:
    command = ["dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(package)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"jitsi-verifier {VERSION}"


def test_lintian_finds_neither_errors_nor_warnings(package: Path) -> None:
    command = ["lintian", "--tag-display-limit", "0", "--fail-on", "error,warning"]
    done = subprocess.run([*command, package], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_systemd_finds_no_mistake_in_the_packaged_units(unpacked: Path, tmp_path: Path) -> None:
    shutil.copytree(unpacked, tmp_path, dirs_exist_ok=True, symlinks=True)
    (units,) = (unit.parent for unit in tmp_path.glob("**/systemd/system/jitsi-verifier.service"))
    shutil.copytree("/lib/systemd/system", units, dirs_exist_ok=True, symlinks=True)
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin/kill").touch(0o755)
    names = ["jitsi-verifier.service", "jitsi-verifier.socket"]
    options = [f"--root={tmp_path}", "--man=no", "--recursive-errors=no"]
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", "verify", *options, *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_no_file_names_the_folder_of_its_build(unpacked: Path) -> None:
    found = subprocess.run(
        ["grep", "-rlE", "/debian/jitsi-verifier/|/tmp/tmp|/root/jitsi-verifier", unpacked / "usr"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == ""


def test_no_digest_depends_on_the_folder_of_the_build(unpacked: Path) -> None:
    found = subprocess.run(
        ["grep", "-rE", "--include=RECORD", r"^(\.\./)+bin/", unpacked / "usr/lib"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (1, "")


def test_package_contains_what_an_administrator_needs(unpacked: Path) -> None:
    for path in (
        "usr/bin/jitsi-verifier",
        "usr/share/man/man1/jitsi-verifier.1.gz",
        "usr/share/bash-completion/completions/jitsi-verifier",
        "usr/share/zsh/vendor-completions/_jitsi-verifier",
        "usr/share/fish/vendor_completions.d/jitsi-verifier.fish",
        "usr/share/doc/jitsi-verifier/examples/verifier.toml",
        "usr/share/jitsi-verifier/nginx/jitsi-verifier-locations.conf",
        "usr/share/jitsi-verifier/prosody/install.sh",
        "usr/share/jitsi-verifier/fail2ban/filter.d/jitsi-verifier.conf",
        "usr/share/jitsi-verifier/prometheus/jitsi-verifier.rules.yml",
        "usr/share/jitsi-verifier/grafana/dashboard.json",
    ):
        assert (unpacked / path).is_file() or (unpacked / path).is_symlink(), path


def test_service_of_a_new_installation_does_not_start(machine: Machine) -> None:
    assert NOTICE in machine.seen["installation"]
    assert not re.search(
        r"\b(start|restart|enable) ", machine.seen["installation"].split(NOTICE)[1]
    )
    # An early start ends with a status after which systemd starts nothing again.
    assert machine.seen["start without configuration"].endswith("status 78\n")
    assert machine.unit["RestartPreventExitStatus"] == ["78"]


def test_only_root_and_the_service_read_the_configuration(machine: Machine) -> None:
    assert machine.seen["access"].split() == [
        *("2750", "root:jitsi-verifier"),
        *("640", "root:jitsi-verifier"),
    ]
    assert "Permission denied" in machine.seen["another user's access"]


def test_group_reads_the_audit_log_and_no_more(machine: Machine) -> None:
    names = ("audit.log", "audit.log.1", "audit.log.2.gz")
    owned = [f"{name} 640 jitsi-verifier:jitsi-verifier" for name in names]
    assert machine.seen["audit logs"].splitlines() == owned
    assert machine.seen["exposed files"] == ""


def test_command_of_the_unit_allows_and_denies(machine: Machine) -> None:
    assert machine.seen["answers"] == ALLOWED_AND_DENIED


def test_upgrade_asks_nothing_and_keeps_configuration_and_state(machine: Machine) -> None:
    assert machine.seen["version"] == NEWER
    assert machine.seen["configuration after the upgrade"] == CONFIGURATION.strip()
    assert machine.seen["answers after the upgrade"] == ALLOWED_AND_DENIED
    assert machine.seen["answer about a revoked token"] == "403 revoked"


def test_upgrade_restarts_a_running_service_only(machine: Machine) -> None:
    calls = machine.seen["upgrade"].splitlines()
    (restart,) = (call for call in calls if "restart" in call)
    assert "try-restart" in restart
    assert "jitsi-verifier.service" in restart
    assert not any(" stop " in f" {call} " for call in calls)
    assert machine.seen["answers during the upgrade"] == ALLOWED_AND_DENIED


def test_upgrade_that_refuses_the_configuration_restarts_nothing(machine: Machine) -> None:
    output = machine.seen["refusing upgrade"]
    assert "revocation_store: found an unknown option\n" in output
    assert "This version refuses the configuration that the previous one accepted" in output
    assert "restart" not in output.split("systemctl restart jitsi-verifier")[1]
    assert machine.seen["answers after the refusing upgrade"] == ALLOWED_AND_DENIED


def test_removal_stops_the_service_and_keeps_what_it_stored(machine: Machine) -> None:
    assert re.search(r"stop .*jitsi-verifier\.service", machine.seen["removal"])
    left = set(machine.seen["files after the removal"].split("\n"))
    assert {"/var/lib/jitsi-verifier/revocations", "/var/log/jitsi-verifier/audit.log"} <= left
    assert {"/etc/jitsi-verifier/secret", "/etc/jitsi-verifier/verifier.toml"} <= left
    assert not any(file.startswith("/usr/lib/jitsi-verifier") for file in left)
    assert machine.seen["configuration after the removal"] == CONFIGURATION.strip()


def test_purge_leaves_no_file(machine: Machine) -> None:
    before, after = (
        set(machine.seen[name].splitlines()) for name in ("files before", "files after the purge")
    )
    # systemd-sysusers keeps the lists of users and groups as they were before the service's user.
    backups = {f"/etc/{name}-" for name in ("passwd", "shadow", "group", "gshadow")}
    assert before - after == set()
    assert after - before - backups == set()


def test_build_packages_are_those_of_the_control_file() -> None:
    control = (ROOT / "packaging/debian/control").read_text("utf-8")
    field = control.partition("Build-Depends:")[2].partition("Rules-Requires-Root")[0]
    names = {line.split()[0].removesuffix("-compat") for line in field.strip().splitlines()}
    names.add("build-essential")  # dpkg-checkbuilddeps expects it, though the file does not name it
    assert names == set((ROOT / "packaging/debian-packages.txt").read_text().split())


def test_uninstall_removes_all_but_the_configuration(unpacked: Path, tmp_path: Path) -> None:
    shutil.copytree(unpacked, tmp_path, dirs_exist_ok=True, symlinks=True)
    (units,) = (unit.parent for unit in tmp_path.glob("**/systemd/system/jitsi-verifier.service"))
    variables = {
        "DESTDIR": str(tmp_path),
        "PREFIX": "/usr",
        "ZSHDIR": "/usr/share/zsh/vendor-completions",
        "UNITDIR": f"/{units.relative_to(tmp_path)}",
        "PATH": "/usr/bin:/bin",
    }
    manual = tmp_path / "usr/share/man/man1/jitsi-verifier.1.gz"
    manual.rename(manual.with_suffix(""))  # debhelper compressed it
    subprocess.run([ROOT / "packaging/install", "uninstall"], env=variables, check=True)
    left = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if not path.is_dir()]
    by_debhelper = Path("usr/share/lintian/overrides/jitsi-verifier")
    assert sorted(left) == [Path("etc/logrotate.d/jitsi-verifier"), by_debhelper]
