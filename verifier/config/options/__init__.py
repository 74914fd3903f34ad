"""Every option there is: its names, its default and what it is for.

One table for the reader, for ``--help`` and for the documentation, in a file for each topic; it
decides nothing.
"""

from __future__ import annotations

from typing import Final

from verifier.config.options.fetching import FETCHING
from verifier.config.options.gate import GATE
from verifier.config.options.option import Option
from verifier.config.options.rules import RULES
from verifier.config.options.service import SERVICE
from verifier.config.options.telling import TELLING
from verifier.config.options.tokens import TOKENS

__all__ = ["CONFIG_VARIABLE", "OPTIONS", "Option"]

CONFIG_VARIABLE: Final = "VERIFIER_CONFIG"
"""The environment variable that names the TOML file, where ``--config`` does not."""

OPTIONS: Final = (*TOKENS, *SERVICE, *TELLING, *FETCHING, *RULES, *GATE)
"""All options, in the order in which they are documented."""
