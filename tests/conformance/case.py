"""One recorded case: the request that it makes of the verifier, and the expected decision."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.conformance.jitsi_keys import document_of_jitsi, key_of_jitsi
from verifier.decisions.verifier import Verifier, wait_for_decision
from verifier.keys.formats import parse_document, parse_public_key, parse_secret
from verifier.keys.model import InvalidKeyError, VerificationKey
from verifier.keys.sources.base import Missing
from verifier.rules.model import AccessRequest, Allow, Decision, Deny
from verifier.rules.policy import Policy

SESSION_NAMES = {
    "jitsi_meet_room": "room",
    "jitsi_meet_domain": "domain",
    "jitsi_meet_auth_issuer": "issuer",
    "jitsi_meet_str_tenant": "tenant",
    "jitsi_meet_context_user": "user",
    "jitsi_meet_context_group": "group",
    "jitsi_meet_context_features": "features",
    "jitsi_meet_context_room": "context_room",
}


@dataclass(frozen=True)
class CaseKeys:
    """The keys of a case, in the place of a key server."""

    case: dict[str, Any]
    unavailable: bool = False

    @property
    def static(self) -> list[VerificationKey]:
        secret = self.case["config"].get("app_secret")
        if secret is None:
            return []
        try:
            if "-----BEGIN" in secret:
                return [parse_public_key(secret.strip(), None, "file")]
            return [parse_secret(secret)]
        except InvalidKeyError:
            return []

    def get(self, _key_id: str) -> VerificationKey | None:
        return None

    async def fetch(self, key_id: str) -> VerificationKey | Missing:
        config = self.case["config"]
        found = self._in_document(key_id) if "cache_keys_url" in config else Missing.UNKNOWN
        if isinstance(found, Missing) and "asap_key_server" in config:
            return self._at_key_server(key_id)
        return found

    def answer_without_fetch(self, _key_id: str) -> Missing | None:
        return None

    def asks_again_in(self, _key_id: str) -> None:
        return None

    async def ask_again(self, _key_id: str) -> Missing:
        return Missing.UNAVAILABLE

    async def find_by_digest(self, _digest: str) -> None:
        return None

    def document(self) -> Any:
        return document_of_jitsi(self.case["jwks"])

    def key(self, body: str) -> str | None:
        return key_of_jitsi(body)

    def _in_document(self, key_id: str) -> VerificationKey | Missing:
        document = self.document()
        if document is None:
            return Missing.UNAVAILABLE
        body = document if isinstance(document, str) else json.dumps(document)
        try:
            keys = parse_document(body.encode(), "document").keys
        except InvalidKeyError:
            return Missing.UNAVAILABLE
        return keys.get(key_id, Missing.UNKNOWN)

    def _at_key_server(self, key_id: str) -> VerificationKey | Missing:
        body = (self.case["keys"] or {}).get(key_id)
        if body is None:
            return Missing.UNKNOWN
        pem = self.key(body)
        if pem is None:
            return Missing.UNAVAILABLE
        try:
            return parse_public_key(pem, key_id, "asap")
        except InvalidKeyError:
            return Missing.UNAVAILABLE


def policy_of(config: dict[str, Any]) -> Policy:
    key_server = "asap_key_server" in config or "cache_keys_url" in config
    base = config.get("muc_mapper_domain_base")
    prefix = config.get("muc_mapper_domain_prefix", "conference")
    default_domain = None if base is None else f"{prefix}.{base}"
    given = {name: config[name] for name in Policy.__dataclass_fields__ if name in config}
    given["signature_algorithm"] = config.get(
        "signature_algorithm", "RS256" if key_server else "HS256"
    )
    given["asap_accepted_issuers"] = _strings(
        config.get("asap_accepted_issuers", [config["app_id"]])
    )
    given["asap_accepted_audiences"] = _strings(config.get("asap_accepted_audiences", ["*"]))
    given["allow_empty_token"] = config.get("allow_empty_token") in (True, "true")
    given["muc_mapper_domain"] = (
        config.get("muc_mapper_domain", default_domain) if base is not None else None
    )
    return Policy(key_server=key_server, **given)


def _strings(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def request_of(case: dict[str, Any], policy: Policy) -> AccessRequest:
    room_data = case.get("room_data") or {}
    found = {
        "always": True,
        "never": False,
        "component": policy.muc_mapper_domain is not None,
    }
    return AccessRequest(
        token=case["token"],
        room_jid=case["room_jid"],
        query_prefix=case["query_prefix"],
        room_requires_authentication=room_data.get("allowUnauthenticatedAccess") is False,
        room_exists=found[case.get("room_lookup", "always")],
        context_required=bool(case.get("context_required")),
    )


async def decide_case(case: dict[str, Any]) -> Decision:
    policy = policy_of(case["config"])
    verifier = Verifier(policy, CaseKeys(case), lambda: case["now"])
    return await wait_for_decision(verifier.verify(request_of(case, policy)))


def problems(case: dict[str, Any], decision: Decision) -> list[str]:
    """Return where a decision differs from the recorded one; see README.md, rules 1 to 5."""
    expect = case["expect"]
    if "uncertain" in case:
        return []
    if isinstance(decision, Deny):
        return _denial_problems(expect, decision)
    if expect["decision"] != "allow":
        return [f"allowed, recorded: {expect['crash'] or expect['room'] or expect['auth']}"]
    return _allow_problems(expect, decision)


def _denial_problems(expect: dict[str, Any], decision: Deny) -> list[str]:
    if expect["decision"] == "allow":
        lenient = expect.get("may_deny")
        return [] if lenient else [f"denied {decision.code} ({decision.detail}), recorded: allow"]
    if expect["crash"]:
        return []
    recorded = expect["room"] or expect["auth"]
    answer = (decision.error, decision.reason)
    wanted = (recorded["error"], recorded["reason"])
    found = [] if answer == wanted else [f"answered {answer}, recorded: {wanted}"]
    words = recorded.get("reason_detail")
    if words and decision.answer[1] != words:
        found.append(f"answered {decision.answer[1]!r}, recorded: {words!r}")
    return found


def _allow_problems(expect: dict[str, Any], decision: Allow) -> list[str]:
    found = []
    session = {SESSION_NAMES[name]: _lua(value) for name, value in decision.session.items()}
    recorded = {name: _lua(value) for name, value in expect["auth"].get("session", {}).items()}
    if session != recorded and not expect.get("lossy"):
        found.append(f"session {session}, recorded: {recorded}")
    if decision.affiliation != expect["affiliation"]:
        found.append(f"affiliation {decision.affiliation}, recorded: {expect['affiliation']}")
    if decision.tenant_mismatch != bool(expect["room"]["tenant_mismatch"]):
        found.append(f"tenant_mismatch {decision.tenant_mismatch}")
    return found


def _lua(value: Any) -> Any:
    """Return a JSON value as Lua has it: an empty array is a table, a number is a double."""
    if isinstance(value, dict):
        return {name: _lua(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_lua(member) for member in value] or {}
    return float(value) if type(value) is int else value
