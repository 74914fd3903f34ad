"""Reads the options that were given as arguments of ``serve``; they override the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from verifier.config.input import BY_NAME, ConfigInput, GivenValue, describe_value

# What an administrator changes for one start. Secrets are not among them, because every user of the
# machine can read the arguments of a process.
_OPTIONS: Final = ("listen", "admin_listen", "workers", "mode", "log_format", "log_level")

ARGUMENTS: Final = {f"--{name.replace('_', '-')}": BY_NAME[name] for name in _OPTIONS}
"""The options that are arguments, too, by the names of the arguments."""


def read_arguments(arguments: Mapping[str, str], config: ConfigInput) -> None:
    """Read the values that were given as arguments, as the environment has them.

    Args:
        arguments: The texts of options of ``ARGUMENTS``, by the names of the options.
        config: Where the values and problems are recorded.
    """
    for name, option in ARGUMENTS.items():
        if option.name not in arguments:
            continue
        text = arguments[option.name]
        try:
            value = option.type.from_text(text)
        except ValueError:
            config.fail(option, name, describe_value(option, text))
        else:
            config.given[option.name] = GivenValue(value, name, from_environment=False)
