"""Secrets are compared in constant time: how long it takes tells nothing of how much was right."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from jwt.algorithms import HMACAlgorithm

import verifier

PACKAGE = Path(verifier.__file__).parent
# These read what is the operator's own, on the operator's machine.
_AT_HOME = ("cli/", "core/doctor/", "shell/doctor/", "shell/settings/")
_HARMLESS = {
    # Of names, of what a token says of itself, of the requests of whoever sent both sides.
    "core/clean_target.py: unquote(parameter.partition('=')[0]) in _TOKENS",
    "core/explain/explanation.py: bare == token",
    "core/form_rules.py: name in token.header",
    "core/token_rules.py: algorithm == policy.signature_algorithm",
    "core/revocation_form.py: hide_tokens(value) != value",
    "core/revocation_form.py: given.setdefault('token_digest', digest) != digest",
    "http/handoff.py: original.token in (*original.target.jwt, *original.target.token)",
    "http/respond.py: code in _TOKEN_AT_FAULT",
    # Of digests of public keys' names.
    "shell/keysource/configured.py: key_digest(key_id) == digest",
    "shell/keysource/lookups.py: digest in self._turned_away",
    "shell/keysource/lookups.py: digest in self._negative",
    "shell/keysource/table.py: entry.digest == digest",
}
_SECRET = re.compile("secret|token|passw|signature|cookie|digest", re.IGNORECASE)
_EQUALITY = (ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def comparisons() -> Iterator[str]:
    """Name each comparison, of two values that are not constants, with something secret's name."""
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


def test_nothing_secret_is_compared_with_equality() -> None:
    found = {each for each in comparisons() if not each.startswith(_AT_HOME)}
    assert found <= _HARMLESS
    assert len(found) > 5, "nothing is found at all"


def test_what_is_secret_is_compared_in_constant_time() -> None:
    files = {str(path.relative_to(PACKAGE)): path.read_text("utf-8") for path in _modules()}
    using = {name for name, text in files.items() if "hmac.compare_digest(" in text}
    assert using == {"core/handoff.py", "http/admin_guard.py"}
    # And shared secrets' signatures by the library.
    assert "compare_digest" in inspect.getsource(HMACAlgorithm.verify)
