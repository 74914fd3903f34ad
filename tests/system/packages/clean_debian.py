"""A Debian with nothing but what the package depends on."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

from tests.system.prosody.releases import make_tree, this_release


class CleanDebian:
    """This machine's release of Debian without any package that ours does not depend on.

    ``debootstrap`` makes it in a minute, and it stays in the user's cache folder for the next run.

    Args:
        package: The package. Where it depends on systemd or something smaller, this Debian has the
            smaller one.
    """

    def __init__(self, package: Path) -> None:
        command = ["dpkg-deb", "--field", str(package), "Depends"]
        field = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        alternatives = [re.findall(r"(?:^|\|) *([\w.+-]+)", each) for each in field.split(",")]
        names = {next(name for name in each if name != "systemd") for each in alternatives}
        self._packages = ",".join(sorted(names))
        digest = hashlib.sha256(self._packages.encode()).hexdigest()[:8]
        self.release = this_release()
        self.root = self.release.cache / f"{self.release.suite}-clean-{digest}"

    def install(self) -> None:
        """Make the tree, if it is missing."""
        if not self.root.exists():
            make_tree(self.release.suite, self._packages, self.root)
