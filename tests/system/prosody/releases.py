"""The releases of Prosody under test; ``python -m tests.system.prosody.releases`` installs them.

Every Debian has one release of Prosody. This machine's Debian has one of them installed. Another
one runs inside a tree of the other Debian, which also has what a Jitsi Meet needs besides.
``debootstrap`` makes the tree in a minute, and it stays in the user's cache folder for the next
run. Only root can make a tree and run programs in it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT

_IN_TREE = Path(__file__).with_name("in-tree")
_VERSION_FILE = "usr/lib/prosody/prosody.version"
# debootstrap does not find the packages that provide a virtual one, so all are named.
_PACKAGES = (
    "prosody,lua5.4,lua-bitop,lua-expat,lua-filesystem,lua-sec,lua-socket"
    ",nginx,curl,ca-certificates,procps,systemd-standalone-sysusers"
    ",build-essential,debhelper,python3-dev,python3-venv"
)


@dataclass(frozen=True, slots=True)
class Release:
    """A release of Prosody.

    Attributes:
        version: How its version numbers begin.
        suite: The name of the Debian that has this release.
    """

    version: str
    suite: str

    @property
    def cache(self) -> Path:
        """The folder for what the next run can use again."""
        folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return Path(folder) / "jitsi-verifier-tests"

    @property
    def tree(self) -> Path:
        """The folder of the other Debian; it may be missing."""
        # A tree with other packages has another name: tests may be running in the old one.
        packages = hashlib.sha256(_PACKAGES.encode()).hexdigest()[:8]
        return self.cache / f"{self.suite}-{packages}"

    @property
    def root(self) -> Path:
        """The root folder of the Debian in which this release is installed.

        Raises:
            LookupError: the release is not installed.
        """
        for root in (Path("/"), self.tree):
            if self.is_in(root):
                return root
        raise LookupError(
            f"expected Prosody {self.version} on this machine or in {self.tree}, found none; "
            "as root, run: python -m tests.system.prosody.releases"
        )

    def is_in(self, root: Path) -> bool:
        """Return whether this release is installed below a root folder."""
        file = root / _VERSION_FILE
        return file.is_file() and file.read_text().startswith(f"{self.version}.")

    def command(self, *arguments: str | Path) -> list[str | Path]:
        """Return the command that runs a program of this release.

        It sees the repository and the folder of temporary files under their usual names.

        Raises:
            LookupError: the release is not installed.
        """
        if self.root == Path("/"):
            return list(arguments)
        return [_IN_TREE, self.root, tempfile.gettempdir(), ROOT, "--", *arguments]

    def install(self) -> None:
        """Make the tree of the other Debian, if this machine lacks the release."""
        if self.is_in(Path("/")) or self.is_in(self.tree):
            return
        make_tree(self.suite, _PACKAGES, self.tree)


def make_tree(suite: str, packages: str, tree: Path) -> None:
    """Make a folder with a Debian that has these packages, separated by commas."""
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tree.parent) as folder:
        new = Path(folder) / suite
        command = ["debootstrap", "--variant=minbase", f"--include={packages}"]
        subprocess.run([*command, suite, new], check=True, stdout=subprocess.DEVNULL)
        new.rename(tree)


RELEASES = (Release("0.12", "bookworm"), Release("13.0", "trixie"))


def this_release() -> Release:
    """Return the release that is installed on this machine.

    Raises:
        LookupError: this machine has no release under test.
    """
    for release in RELEASES:
        if release.is_in(Path("/")):
            return release
    versions = " or ".join(release.version for release in RELEASES)
    raise LookupError(f"expected Prosody {versions} on this machine, found none")


def main() -> None:
    """Install every release that is missing."""
    for release in RELEASES:
        release.install()


if __name__ == "__main__":
    main()
