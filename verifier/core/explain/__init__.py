"""The verdict explained: the rules' own steps, what to change, and what else is worth knowing.

``explanation`` runs the very ``decide`` that the service runs, with a recorder; all the other
modules only put into words what it saw. None of them can change a verdict.
"""

from verifier.core.explain.explanation import (
    Explanation,
    Prosody,
    Step,
    explain,
    explain_ambiguity,
    unwrap,
)

__all__ = ["Explanation", "Prosody", "Step", "explain", "explain_ambiguity", "unwrap"]
