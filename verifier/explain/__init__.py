"""Explains a decision: each step of the rules, what to change, and notes about the token.

``explanation`` calls the same ``decide`` as the service, with a recorder of the steps. The other
modules only turn the recorded values into sentences, so they cannot change a decision. The package
is pure: it reads no file, no clock and no network.

To explain a new denial code, add a function to the ``…_suggestions`` module of its topic and name
the function in ``suggestions.SUGGESTIONS``. To point out something about a token that was decided
correctly, add a generator to ``notes``. To accept a new form of pasted text, extend ``pasted``,
``encodings``, ``request_text``, ``link_search``, ``links`` or ``wrappings``.
"""

from verifier.explain.explanation import (
    Explanation,
    Prosody,
    Step,
    add_pasted,
    explain,
    explain_ambiguity,
    explain_unserved_host,
)
from verifier.explain.pasted import NO_HOST, PastedInput
from verifier.explain.token_view import TokenView, view_token
from verifier.explain.typed_room import UnreadableError, parse_room, parse_tenant
from verifier.explain.wrappings import unwrap

__all__ = [
    "NO_HOST",
    "Explanation",
    "PastedInput",
    "Prosody",
    "Step",
    "TokenView",
    "UnreadableError",
    "add_pasted",
    "explain",
    "explain_ambiguity",
    "explain_unserved_host",
    "parse_room",
    "parse_tenant",
    "unwrap",
    "view_token",
]
