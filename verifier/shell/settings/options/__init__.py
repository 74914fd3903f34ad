"""Every option there is: its names, its default and what it is for.

One table for the reader, for ``--help`` and for the documentation, in a file for each topic; it
decides nothing.
"""

from __future__ import annotations

from typing import Final

from verifier.shell.settings.options.fetching import FETCHING
from verifier.shell.settings.options.gate import GATE
from verifier.shell.settings.options.option import Option
from verifier.shell.settings.options.rules import RULES
from verifier.shell.settings.options.service import SERVICE
from verifier.shell.settings.options.telling import TELLING
from verifier.shell.settings.options.tokens import TOKENS

__all__ = ["CONFIG_VARIABLE", "OPTIONS", "Option"]

CONFIG_VARIABLE: Final = "VERIFIER_CONFIG"
"""The environment variable that names the TOML file, where ``--config`` does not."""

OPTIONS: Final = (*TOKENS, *SERVICE, *TELLING, *FETCHING, *RULES, *GATE)
"""All options, in the order in which they are documented."""
