"""A Debian with nothing but what the package depends on."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

SUITE = re.findall(r"^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text(), re.MULTILINE)[
    0
]
"""The name of this machine's release, for which the package is built here."""


class CleanDebian:
    """This machine's release of Debian without any other package.

    ``debootstrap`` makes it in a minute, and it stays in the user's cache folder for the next run.

    Args:
        package: The package. Where it depends on systemd or something smaller, this Debian has the
            smaller one.
    """

    def __init__(self, package: Path) -> None:
        field = subprocess.run(
            ["dpkg-deb", "--field", package, "Depends"], capture_output=True, text=True, check=True
        )
        alternatives = [
            re.findall(r"(?:^|\|) *([\w.+-]+)", each) for each in field.stdout.split(",")
        ]
        self._names = sorted(
            {next(name for name in names if name != "systemd") for names in alternatives}
        )
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self.root = Path(cache) / "jitsi-verifier-tests" / f"{SUITE}-clean"

    def install(self) -> None:
        """Make the tree, if it is missing or was made for other packages."""
        listed = self.root / "installed-for-package"
        if listed.is_file() and listed.read_text().split() == self._names:
            return
        self.root.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["rm", "-rf", "--one-file-system", self.root], check=True)
        with tempfile.TemporaryDirectory(dir=self.root.parent) as folder:
            new = Path(folder) / "new"
            include = f"--include={','.join(self._names)}"
            command = ["debootstrap", "--variant=minbase", include, SUITE, new]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            (new / listed.name).write_text(" ".join(self._names))
            new.rename(self.root)
