"""Runs the service with a fault that a file triggers: ``failing.py MODULE NAME FILE serve …``.

The named function raises an exception once the file exists, and deletes the file; otherwise it
works as ever. The message of the exception must not reach a log.
"""

from __future__ import annotations

import functools
import importlib
import sys
from pathlib import Path
from typing import Any

MESSAGE = "a-value-that-no-log-may-show"


def inject(module: str, name: str, trigger: Path) -> None:
    """Replace a function, or a method given as ``Class.method``."""
    *parents, last = name.split(".")
    owner = functools.reduce(getattr, parents, importlib.import_module(module))
    original = getattr(owner, last)

    @functools.wraps(original)
    def fail_or_call(*given: Any, **named: Any) -> Any:
        try:
            trigger.unlink()
        except FileNotFoundError:
            return original(*given, **named)
        raise LookupError(MESSAGE)

    setattr(owner, last, fail_or_call)


if __name__ == "__main__":
    module, name, trigger, *command = sys.argv[1:]
    inject(module, name, Path(trigger))
    from verifier.cli import main

    sys.argv = ["jitsi-verifier", *command]
    sys.exit(main())
