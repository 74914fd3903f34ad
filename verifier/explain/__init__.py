"""The verdict explained: the rules' own steps, what to change, and what else is worth knowing.

``explanation`` runs the very ``decide`` that the service runs, with a recorder; all the other
modules only put into words what it saw. None of them can change a verdict.
"""

from verifier.explain.explanation import (
    Explanation,
    Prosody,
    Step,
    explain,
    explain_ambiguity,
    explain_unserved_host,
    unwrap,
)
from verifier.explain.pasted import PastedInput, UnreadableError, parse_tenant
from verifier.explain.token_view import TokenView, view_token

__all__ = [
    "Explanation",
    "PastedInput",
    "Prosody",
    "Step",
    "TokenView",
    "UnreadableError",
    "explain",
    "explain_ambiguity",
    "explain_unserved_host",
    "parse_tenant",
    "unwrap",
    "view_token",
]
