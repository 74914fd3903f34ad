"""Jitsi Meet's verdict on JWT room links, as a library and as an HTTP auth sidecar."""

from verifier.keys.formats import parse_document, parse_public_key, parse_secret
from verifier.keys.model import KeySet, VerificationKey
from verifier.rules.engine import decide
from verifier.rules.model import AccessRequest, Allow, Decision, DenialCode, Deny
from verifier.rules.policy import Policy
from verifier.tokens.claims import Claims

__all__ = [
    "AccessRequest",
    "Allow",
    "Claims",
    "Decision",
    "DenialCode",
    "Deny",
    "KeySet",
    "Policy",
    "VerificationKey",
    "decide",
    "parse_document",
    "parse_public_key",
    "parse_secret",
]
