"""What there is to say about one option; decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from verifier.config.kinds import Kind


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    Attributes:
        name: Its TOML key, dotted in a table; Prosody's name where Prosody has it.
        env: Its environment variable; None where there is none.
        kind: How it is written.
        default: Its value where nobody gives one; None where it is off or follows from others.
        default_text: The default in words, for documentation.
        help: What it is for, in one line.
    """

    name: str
    env: str | None
    kind: Kind
    default: Any
    default_text: str
    help: str

    @property
    def file_name(self) -> str | None:
        """The TOML key that names a file with this secret; None if it is no secret."""
        return f"{self.name}_file" if self.kind.secret else None

    @property
    def file_env(self) -> str | None:
        """The environment variable that names a file with this secret; None if it is none."""
        return f"{self.env}_FILE" if self.kind.secret else None
