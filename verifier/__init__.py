"""Jitsi Meet's verdict on JWT room links, as a library and as an HTTP auth sidecar."""

from verifier.core.claims import Claims
from verifier.core.decision import AccessRequest, Allow, Decision, DenialCode, Deny
from verifier.core.keyformats import parse_document, parse_public_key, parse_secret
from verifier.core.keys import KeySet, VerificationKey
from verifier.core.policy import Policy
from verifier.core.rules import decide

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
