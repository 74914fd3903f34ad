"""The ``[policy]`` table as one value, and what in it cannot hold what it promises."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from verifier.config.sources import Reading
from verifier.rules.policy import OperatorPolicy


def resolve_operator_policy(reading: Reading, values: dict[str, Any]) -> None:
    """Settle what this house asks besides Jitsi; None where that is nothing."""
    operator_policy = OperatorPolicy(
        **{rule.name: values[f"policy.{rule.name}"] for rule in fields(OperatorPolicy)}
    )
    values["operator_policy"] = None if operator_policy == OperatorPolicy() else operator_policy
    verified = values["enable_domain_verification"]
    if operator_policy.forbid_wildcard_sub and not verified:
        text = (
            "without enable_domain_verification no sub is compared, so that any opens all tenants"
        )
        reading.notice("policy.forbid_wildcard_sub", text)
    patterns = (
        verified and values["token_regex_enabled"] and not operator_policy.forbid_room_patterns
    )
    if operator_policy.forbid_wildcard_room and patterns:
        text = "a pattern opens as many rooms; policy.forbid_room_patterns refuses those"
        reading.notice("policy.forbid_wildcard_room", text)
