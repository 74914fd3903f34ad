"""The command line: ``serve``, ``explain``, ``mint`` and ``check-config``."""

from verifier.cli.frame import main

__all__ = ["main"]
