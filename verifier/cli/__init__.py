"""The command line: one module for each command."""

from verifier.cli.frame import main

__all__ = ["main"]
