"""The life of the Debian package on one machine, as commands and what they showed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import wait_until
from tests.system.prosody.copies import DebianCopy

SECRET = "a-secret-of-more-than-thirty-two-bytes"
CONFIGURATION = """\
app_id = "my_app"
app_secret_file = "/etc/jitsi-verifier/secret"
enable_domain_verification = false
revocation_store = "sqlite:///var/lib/jitsi-verifier/revocations"
audit_log = "/var/log/jitsi-verifier/audit.log"
"""
SAMPLE = "usr/share/jitsi-verifier/verifier.toml"
_RECORDER = """\
#!/bin/sh
# In the place of systemd's systemctl: no systemd runs here.
echo "$*" >>/run/systemctl.log
[ "$1 $2" != "--quiet is-enabled" ] || exit 1
"""
_REFUSING_COMMAND = """\
#!/bin/sh
echo "revocation_store: found an unknown option"
exit 1
"""
_ASK = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=60)
except urllib.error.HTTPError as error:
    answer = error
except OSError:
    sys.exit("0")
print(answer.status, answer.headers.get("X-Jitsi-Denial") or "")
"""
_AS_USER = "setpriv --reuid={user} --regid={user} --init-groups --no-new-privs env -i PATH=/usr/bin"
_GATE = "http://127.0.0.1:8090/ext-authz"


@dataclass
class Machine:
    """A machine on which the package is installed, and what was seen at each step."""

    debian: DebianCopy
    seen: dict[str, str] = field(default_factory=dict)
    unit: dict[str, list[str]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Let systemctl be recorded, and the maintainer scripts believe that systemd runs."""
        self.debian.write("/usr/local/bin/systemctl", _RECORDER, 0o755)
        self.debian.run("mkdir -p /run/systemd/system")
        self.seen["files before"] = self.files()

    def dpkg(self, *arguments: str | Path) -> str:
        """Run dpkg, which has no terminal for a question; return what it and systemctl wrote."""
        self.debian.run(": >/run/systemctl.log")
        output = self.debian.run(f"dpkg {shlex.join(map(str, arguments))} </dev/null")
        return f"{output}\n{self.debian.read('/run/systemctl.log')}"

    def files(self) -> str:
        """Return the names of all files outside the folders that a restart empties."""
        skipped = " -o ".join(f"-path /{name}" for name in ("proc", "sys", "dev", "run", "tmp"))
        return self.debian.run(rf"find / -xdev \( {skipped} \) -prune -o -print | sort")

    def read_unit(self) -> None:
        """Read the lines of the installed unit."""
        (file,) = self.debian.run("dpkg -L jitsi-verifier | grep 'service$'").split()
        for line in self.debian.read(file).splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                self.unit.setdefault(name, []).append(value.replace("%S", "/var/lib"))

    def command(self) -> str:
        """Return the command that the unit starts, with its user and variables."""
        (user,), (start,) = self.unit["User"], self.unit["ExecStart"]
        return f"{_AS_USER.format(user=user)} {' '.join(self.unit['Environment'])} {start}"

    def start(self) -> str:
        """Start the service as the unit says; return its process id."""
        for kind, place in (("State", "/var/lib"), ("Logs", "/var/log")):
            (name,), (mode,) = self.unit[f"{kind}Directory"], self.unit[f"{kind}DirectoryMode"]
            owner = f"-o {self.unit['User'][0]} -g {self.unit['User'][0]}"
            self.debian.run(f"install -d {owner} -m {mode} {place}/{name}")
        (umask,) = self.unit["UMask"]
        start = f"umask {umask}; {self.command()} </dev/null >/run/log 2>&1 & echo $!"
        pid = self.debian.run(start).strip()
        wait_until(lambda: self.ask("/readyz", "http://127.0.0.1:8091") == "200", "readiness")
        return pid

    def stop(self, pid: str) -> None:
        """Stop the service as systemd does, and wait until it has ended."""
        self.debian.run(f"kill {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.1; done")

    def rotate(self, folder: Path) -> str:
        """Rotate the audit log with this machine's logrotate; return what the files' modes are.

        Args:
            folder: A folder that the copy sees, too. Logrotate and its library are copied there.
        """
        linked = subprocess.run(
            ["ldd", "/usr/sbin/logrotate"], capture_output=True, text=True, check=True
        ).stdout
        for file in ("/usr/sbin/logrotate", *re.findall(r"=> (\S*/libpopt\S+)", linked)):
            shutil.copy(file, folder)
        program = f"LD_LIBRARY_PATH={folder} {folder}/logrotate --force"
        for _ in range(2):
            self.debian.run(f"{program} --state {folder}/state /etc/logrotate.d/jitsi-verifier")
            assert self.ask("/standup") == "401 token-missing"
        return self.debian.run(
            r"find /var/log/jitsi-verifier -type f -printf '%f %m %u:%g\n' | sort"
        )

    def ask(self, path: str, base: str = _GATE) -> str:
        """Return the status and the denial code of an answer; "" if there is none."""
        command = f"python3 -c {shlex.quote(_ASK)} {shlex.quote(base + path)} 2>/dev/null || :"
        return self.debian.run(command).strip()

    def ask_about_rooms(self, token: str) -> str:
        """Return the answers for the token's room and for another one."""
        return f"{self.ask(f'/standup?jwt={token}')}, {self.ask(f'/other?jwt={token}')}"


def live(debian: DebianCopy, package: Path, refusing: Path, newer: Path) -> Machine:
    """Install, configure, run, upgrade twice, remove, install again, and purge.

    Args:
        debian: The machine.
        package: The package.
        refusing: A later version, which refuses the configuration.
        newer: A version after that, which accepts it.
    """
    machine = Machine(debian)
    run, seen = debian.run, machine.seen
    machine.prepare()
    seen["installation"] = machine.dpkg("--install", package)
    machine.read_unit()
    folder = "/etc/jitsi-verifier"
    seen["access"] = run(f"stat -c '%a %U:%G' {folder} {folder}/verifier.toml")
    seen["start without configuration"] = run(f"{machine.command()} 2>&1 || echo status $?")
    run(
        f"umask 022; echo {SECRET} >{folder}/secret; echo '{CONFIGURATION}' >{folder}/verifier.toml"
    )
    reader = _AS_USER.format(user="nobody").replace("--init-groups", "--clear-groups")
    reader = reader.replace("--regid=nobody", "--regid=nogroup")
    seen["another user's access"] = run(f"{reader} cat {folder}/secret 2>&1 || :")
    pid = machine.start()
    token = run("jitsi-verifier mint --room standup 2>/dev/null").strip()
    seen["answers"] = machine.ask_about_rooms(token)
    leaked = run("jitsi-verifier mint --room standup 2>/dev/null").strip()
    run(f"jitsi-verifier revoke {leaked}")
    seen["audit logs"] = machine.rotate(newer.parent)
    places = "/var/lib/jitsi-verifier /var/log/jitsi-verifier"
    seen["exposed files"] = run(f"find {places} -perm /027 -ls; dpkg --verify")
    seen["refusing upgrade"] = machine.dpkg("--install", refusing)
    seen["answers after the refusing upgrade"] = machine.ask_about_rooms(token)
    seen["upgrade"] = machine.dpkg("--install", newer)
    seen["answers during the upgrade"] = machine.ask_about_rooms(token)
    machine.stop(pid)
    seen["configuration after the upgrade"] = debian.read(f"{folder}/verifier.toml").strip()
    seen["version"] = run("dpkg-query --show --showformat '${Version}' jitsi-verifier")
    pid = machine.start()
    seen["answers after the upgrade"] = machine.ask_about_rooms(token)
    seen["answer about a revoked token"] = machine.ask(f"/standup?jwt={leaked}")
    machine.stop(pid)
    seen["removal"] = machine.dpkg("--remove", "jitsi-verifier")
    seen["files after the removal"] = machine.files()
    seen["second installation"] = machine.dpkg("--install", newer)
    seen["configuration after the removal"] = debian.read(f"{folder}/verifier.toml").strip()
    seen["purge"] = machine.dpkg("--purge", "jitsi-verifier")
    seen["files after the purge"] = machine.files()
    return machine


def with_version(package: Path, version: str, folder: Path, *, refuses: bool = False) -> Path:
    """Return a copy of the package with another version, and another sample configuration.

    Args:
        package: The package.
        version: The version of the copy.
        folder: A folder for the copy.
        refuses: Whether the command of the copy refuses every configuration.
    """
    tree, copy = folder / f"tree-{version}", folder / f"jitsi-verifier_{version}.deb"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    if refuses:
        (tree / "usr/lib/jitsi-verifier/bin/jitsi-verifier").write_text(_REFUSING_COMMAND)
    with (tree / SAMPLE).open("a") as sample:
        sample.write("# Changed since.\n")
    control = tree / "DEBIAN/control"
    lines = control.read_text("utf-8").splitlines()
    control.write_text(
        "".join(
            f"Version: {version}\n" if line.startswith("Version:") else f"{line}\n"
            for line in lines
        )
    )
    command = ["dpkg-deb", "-Znone", "--root-owner-group", "--build"]
    subprocess.run([*command, tree, copy], check=True, stdout=subprocess.DEVNULL)
    return copy
