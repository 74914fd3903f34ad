"""The command line: one module for each command."""

from verifier.cli.main import main

__all__ = ["main"]
