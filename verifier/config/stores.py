"""What is kept and sent elsewhere: options of revocations, one-use tokens and spans."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from verifier.config.sources import Reading
from verifier.storage.redis_url import SCHEMES


def resolve_single_use(reading: Reading, values: dict[str, Any]) -> None:
    """Have tokens refused that cannot be told apart, or that would outlive their use's record."""
    if values["single_use"] == "off":
        return
    values["policy.require_jti"] = values["policy.require_expiry"] = True
    if not values["handoff"]:
        text = f"without handoff, reloads and BOSH end {values['single_use_window']} s after a join"
        reading.notice("single_use", text)
    if values["revocation_store"] == "memory:":
        text = "with revocation_store memory:, a restart forgets which tokens have been used"
        reading.notice("single_use", text)


def notice_pods(reading: Reading, values: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Say in a pod, which is rarely the only one, whom a revocation in memory reaches."""
    if values["revocation_store"] == "memory:" and environ.get("KUBERNETES_SERVICE_HOST"):
        text = "memory: a revocation reaches this pod alone, and ends with it"
        reading.notice("revocation_store", text)


def check_extras(reading: Reading, values: dict[str, Any]) -> None:
    """Refuse a store that nothing here can speak to, and spans that nothing here can send."""
    scheme = values["revocation_store"].partition(":")[0]
    if scheme in SCHEMES and find_spec("redis") is None:
        expected = "the package redis: pip install 'jitsi-verifier[redis]'"
        reading.refuse("revocation_store", f"{scheme}:// without a client for it", expected)
    if values["tracing"] and find_spec("opentelemetry") is None:
        expected = "OpenTelemetry's packages: pip install 'jitsi-verifier[otel]'"
        reading.refuse("tracing", "true without what sends spans", expected)
