"""The configuration: a file, the environment and arguments become one value, ``Settings``."""

from verifier.config.command_line import ARGUMENTS
from verifier.config.load import load
from verifier.config.option import Option
from verifier.config.options import CONFIG_VARIABLE, DEFAULT_CONFIG, OPTIONS
from verifier.config.problems import ConfigError, Problem
from verifier.config.settings import Settings

__all__ = [
    "ARGUMENTS",
    "CONFIG_VARIABLE",
    "DEFAULT_CONFIG",
    "OPTIONS",
    "ConfigError",
    "Option",
    "Problem",
    "Settings",
    "load",
]
