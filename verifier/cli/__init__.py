"""The command line; each command has a module of its own."""

from verifier.cli.main import main

__all__ = ["main"]
