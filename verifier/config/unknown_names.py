"""Names that no option has, and the nearest name that one has."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from verifier.config.input import ConfigInput
from verifier.config.options import CONFIG_VARIABLE, OPTIONS
from verifier.config.problems import Problem, shown_name

_TABLES: Final = sorted({option.table for option in OPTIONS} - {""})
_VARIABLES: Final = [
    CONFIG_VARIABLE,
    *(name for option in OPTIONS for name in (option.variable, option.file_variable) if name),
]
_PREFIX: Final = "VERIFIER_"
# Kubernetes sets these for a Service called verifier, verifier-admin and so on.
_PORT: Final = r"PORT(_[0-9]+_(TCP|UDP|SCTP))?"
_KUBERNETES: Final = re.compile(
    rf"{_PREFIX}(\w+_)?"
    rf"(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=.*|{_PORT}=\w+://.*|{_PORT}_(ADDR|PORT|PROTO)=.*)"
)
# A misspelt option of a table such as [policy] is an error, not a notice: the service would accept
# tokens that the operator wants to deny.
_OF_TABLE: Final = re.compile(rf"{_PREFIX}({'|'.join(_TABLES).upper()})_\w+")


def check_variables(environ: Mapping[str, str], config: ConfigInput) -> None:
    """Name the variables that are not known."""
    for name, value in sorted(environ.items()):
        if not name.startswith(_PREFIX) or name in _VARIABLES:
            continue
        if _KUBERNETES.fullmatch(f"{name}={value}"):
            continue
        near = nearest(name, _VARIABLES)
        if _OF_TABLE.fullmatch(name):
            expected = f"a known one; the nearest is {near}"
            found = "an unknown policy option"
            config.problems.append(Problem(shown_name(name), "environment", found, expected))
        else:
            config.notices.append(
                f"{shown_name(name)}: not a known variable, ignored; the nearest is {near}"
            )


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the most similar of the known names."""
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)[0]
