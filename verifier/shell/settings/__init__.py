"""The configuration: from a TOML file and the environment to one frozen value."""

from verifier.shell.settings.load import load
from verifier.shell.settings.options import CONFIG_VARIABLE, OPTIONS, Option
from verifier.shell.settings.problems import ConfigError, Problem
from verifier.shell.settings.value import Settings, is_shared

__all__ = [
    "CONFIG_VARIABLE",
    "OPTIONS",
    "ConfigError",
    "Option",
    "Problem",
    "Settings",
    "is_shared",
    "load",
]
