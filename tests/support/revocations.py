"""Requests for ``/v1/revocations`` of a running service."""

from __future__ import annotations

import http.client
import json
from typing import Any

from tests.support.processes import Answer, RunningVerifier

PATH = "/v1/revocations"


def ask_admin(
    verifier: RunningVerifier, method: str, body: Any = None, /, **headers: str
) -> Answer:
    """Send one request for ``/v1/revocations``."""
    connection = http.client.HTTPConnection("127.0.0.1", verifier.admin, timeout=20)
    try:
        text = None if body is None else json.dumps(body).encode()
        connection.request(method, PATH, text, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read().decode())
    finally:
        connection.close()


def revoke(verifier: RunningVerifier, **members: Any) -> None:
    """Add a revocation."""
    answer = ask_admin(verifier, "POST", members)
    assert answer.status == 201, answer


def undo(verifier: RunningVerifier, **criteria: Any) -> None:
    """Undo a revocation."""
    answer = ask_admin(verifier, "DELETE", criteria)
    assert (answer.status, answer.body) == (204, "")


def listed(verifier: RunningVerifier, **headers: str) -> list[dict[str, Any]]:
    """Return the listed revocations."""
    answer = ask_admin(verifier, "GET", **headers)
    assert answer.status == 200, answer
    revocations: list[dict[str, Any]] = answer.json["revocations"]
    return revocations
