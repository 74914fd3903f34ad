"""Secrets are compared in constant time, so that the time does not show how much was right."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import verifier

PACKAGE = Path(verifier.__file__).parent
# These packages compare values of the operator, on the operator's machine.
_OPERATOR_PACKAGES = ("cli/", "check_config/", "check_gate/", "config/")
_HARMLESS = {
    # Names, public claims of a token, and values that the same client sent.
    # Lengths, which a client's own token shows.
    "explain/signature_suggestions.py: len(signature) == length",
    "explain/signature_suggestions.py: len(signature) == (4 * length + 2) // 3",
    "explain/wrappings.py: bare == token",
    "explain/wrappings.py: len(places) == _MAX_TOKENS",
    "http/handoff.py: original.token in (*original.target.jwt, *original.target.token)",
    "http/responses.py: code in _TOKEN_AT_FAULT",
    "observability/decision_log.py: code not in CODES_AFTER_SIGNATURE",
    "observability/decision_log.py: decision.code in CODES_AFTER_SIGNATURE",
    "observability/first_decisions.py: DenialCode(code) not in CODES_AFTER_SIGNATURE",
    "observability/decision_log.py: decision.code not in CODES_AFTER_SIGNATURE",
    "observability/sinks.py: code in CODES_AFTER_SIGNATURE",
    "observability/sinks.py: code == DenialCode.TOKEN_MISSING",
    "revocation/model.py: members.setdefault('token_digest', digest) != digest",
    "rooms/url.py: name in _TOKEN_PARAMETERS",
    "rules/token.py: algorithm == policy.signature_algorithm",
    "rules/token.py: policy.signature_algorithm in JITSI_ALGORITHMS",
    # Digests of the names of public keys.
    "keys/sources/cache.py: entry.digest == digest",
    "keys/sources/configured.py: key_id_digest(key_id) == digest",
    "keys/sources/limits.py: key_id_digest(key_id) in self._answers",
    "keys/sources/limits.py: key_id_digest(key_id) in self._rejected",
}
_SECRET = re.compile("secret|token|passw|signature|cookie|digest", re.IGNORECASE)
_EQUALITY = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def comparisons() -> Iterator[str]:
    """Yield each comparison of two variables, one of which has a name like a secret."""
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], _EQUALITY):
                sides = [node.left, *node.comparators]
                if not any(isinstance(side, ast.Constant) for side in sides) and any(
                    _SECRET.search(name) for side in sides for name in names(side)
                ):
                    yield f"{path.relative_to(PACKAGE)}: {ast.unparse(node)}"


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def names(side: ast.expr) -> Iterator[str]:
    for node in ast.walk(side):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def test_no_secret_is_compared_with_equality_operators() -> None:
    found = {each for each in comparisons() if not each.startswith(_OPERATOR_PACKAGES)}
    assert found <= _HARMLESS
    assert len(found) > 5, "the search finds no comparison at all"


def test_secrets_are_compared_in_constant_time() -> None:
    files = {str(path.relative_to(PACKAGE)): path.read_text("utf-8") for path in _modules()}
    using = {name for name, text in files.items() if "hmac.compare_digest(" in text}
    assert using == {
        "http/handoff_cookie.py",
        "http/admin/access.py",
        "keys/model.py",
        "keys/sources/key_cache_redis.py",
    }
