"""Bodies of ``/v1/verify`` and ``/v1/explain``."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import Any, Final

from tests.fuzz.harness import Harness
from tests.fuzz.keys import NOW, OTHER_SECRET, is_signed
from tests.fuzz.tokens import POLICY
from tests.support.sidecar import FakeKeys
from tests.support.tokens import sign
from verifier.decisions.hosts import Hosts
from verifier.decisions.throttle import NoThrottle
from verifier.decisions.verifier import Verifier
from verifier.http.admin.explain import _explain, _parse
from verifier.http.verify_api import BadBodyError, parse_body, verify_response
from verifier.rules.model import Allow, Deny
from verifier.tokens.jws import MalformedError, read

_VERIFIER: Final = Verifier(POLICY, FakeKeys(), lambda: NOW, NoThrottle())
_HOSTS: Final = Hosts(_VERIFIER, {})
_TOKENS: Final = {
    "GOOD": sign({"iss": "app", "aud": "jitsi", "sub": "*", "room": "*", "exp": NOW + 60}),
    "FORGED": sign({"iss": "app", "aud": "j", "sub": "*", "room": "*"}, key=OTHER_SECRET),
}
"""The tokens that these words in an input stand for."""


def _written(data: bytes) -> bytes:
    for word, token in _TOKENS.items():
        data = data.replace(word.encode(), token.encode())
    return data


def verify(data: bytes) -> dict[str, Any] | str | None:
    """Return the answer to a body of ``/v1/verify``, or the error of a malformed body."""
    try:
        request, host = parse_body(_written(data))
    except BadBodyError as error:
        return str(error)
    verifier = _HOSTS.find(host)
    if verifier is None:
        return None
    decision = verifier.verify(request)
    assert isinstance(decision, Allow | Deny)
    answered: dict[str, Any] = json.loads(verify_response(decision).body)
    return answered


def check_verify(data: bytes, answered: dict[str, Any] | str | None) -> None:
    """Assert that only tokens are allowed whose signature PyJWT accepts."""
    if answered is None or isinstance(answered, str):
        assert "eyJ" not in (answered or "")
        return
    assert isinstance(answered["allowed"], bool)
    if answered["allowed"]:
        assert is_signed(json.loads(_written(data))["token"], "HS256")
    else:
        assert answered["session"] is None
        assert answered["code"]


def _run(work: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """Run a coroutine that has nothing to wait for."""
    try:
        work.send(None)
    except StopIteration as done:
        found: dict[str, Any] = done.value
        return found
    finally:
        work.close()
    raise AssertionError("it waited")


def explain(data: bytes) -> dict[str, Any] | None:
    """Return the answer to a body of ``/v1/explain``; None for a malformed body."""
    try:
        body = _parse(_written(data))
        answered = _run(_explain(body | {"now": body.get("now", NOW)}, _HOSTS))
    except BadBodyError:
        return None
    json.dumps(answered, allow_nan=False).encode("utf-8")
    return answered


def check_explain(data: bytes, answered: dict[str, Any] | None) -> None:
    """Assert that the steps agree with the decision, and the signature with PyJWT."""
    if answered is None:
        return
    failed = [step for step in answered["steps"] if step["result"] == "fail"]
    assert answered["allowed"] == (not failed)
    token = json.loads(_written(data)).get("token")
    if answered["token"] and answered["token"]["verified"] and _is_strict(token):
        assert is_signed(token, "HS256")


def _is_strict(token: Any) -> bool:
    """Return whether a token is strict: Jitsi verifies some that PyJWT does not read."""
    try:
        return token is not None and bool(read(token))
    except MalformedError:
        return False


_BODIES: Final = [
    b'{"token": "GOOD", "room_jid": "standup@conference.meet.example.org"}',
    b'{"token": "FORGED", "room_jid": "[acme]standup@conference.meet.example.org", "host": "x"}',
    b'{"token": null, "query_prefix": "acme", "room_requires_authentication": true}',
    b'{"token": "GOOD.", "room_jid": 1}',
    b'{"token": "GOOD", "token": "FORGED"}',
]
VERIFY: Final = Harness(verify, check_verify, _BODIES, longest=17_000)
EXPLAIN: Final = Harness(
    explain,
    check_explain,
    [
        *_BODIES,
        b'{"pasted": "https://meet.example.org/acme/standup#jwt=\\"GOOD\\"", "now": 1e9}',
        b'{"pasted": "Bearer GOOD", "room": "acme/standup"}',
        b'{"token": "FORGED", "url": "wss://meet.example.org/xmpp-websocket?room=a"}',
        b'{"token": "e30.e30.", "room": "//x"}',
    ],
    longest=17_000,
)
