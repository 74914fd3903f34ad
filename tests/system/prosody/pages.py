"""The commands of a page, run one after the other as a person copies them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.support.documents import blocks
from tests.system.prosody.copies import DebianCopy

_EXPECTED: Final = re.compile(r" {2,}# (.+)$", re.MULTILINE)
_SETTING: Final = re.compile(r"^[A-Z_]+=\S+", re.MULTILINE)


class Reader:
    """A person who follows pages on a machine, in one shell.

    Args:
        debian: The machine.
        folder: The folder in which the shell is.
        environ: Variables of the shell.
    """

    def __init__(self, debian: DebianCopy, folder: Path = Path("/root"), **environ: str) -> None:
        self._debian, self._folder, self._environ = debian, folder, environ
        self._settings: list[str] = []

    def follow(self, section: str) -> str:
        """Run the ``sh`` blocks of a part of a page in their order; return what they write.

        A comment behind two blanks is what the page says that the command writes.

        Raises:
            AssertionError: A command failed, or did not write what the page says.
        """
        return "".join(map(self._run, blocks(section, "sh")))

    def _run(self, block: str) -> str:
        # umask: administrators may have a strict one.
        script = "\n".join(["umask 077", *self._settings, block])
        # Only what comes from elsewhere needs another network than the machine's own.
        online = "apt-get -y install" in block
        output = self._debian.run(script, self._folder, online=online, **self._environ)
        self._settings += _SETTING.findall(block)
        rest = output
        for expected in _EXPECTED.findall(block):
            assert expected in rest, f"{block}\n{output}"
            rest = rest.partition(expected)[2]
        return output
