"""The version of the installed package, and how it was built."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from typing import Final

VERSION: Final = version("jitsi-verifier")


def build_kind() -> str:
    """Return ``compiled`` or ``pure Python``; hatch_build.py in the source compiles the modules."""
    spec = find_spec("verifier.rules.engine")
    is_source = spec is None or (spec.origin or "").endswith(".py")
    return "pure Python" if is_source else "compiled"
