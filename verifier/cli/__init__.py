"""The command line: ``serve``, ``explain`` and ``mint``."""

from verifier.cli.frame import main

__all__ = ["main"]
