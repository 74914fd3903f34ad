"""``/v1/revocations``: requests, answers and errors, with a running service."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Answer, RunningVerifier, get, post, running_verifier
from tests.support.revocations import PATH, ask_admin, listed, undo
from tests.support.supervised import token
from tests.support.tokens import SECRET
from verifier.tokens.jws import token_digest

OPTIONS: dict[str, Any] = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET, "VERIFIER_LEEWAY": "5"}
ADMIN_TOKEN = "letmein-letmein-letmein"


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    with running_verifier(tmp_path_factory.mktemp("revocations"), **OPTIONS) as running:
        yield running
    assert "eyJ" not in running.log


def is_problem(answer: Answer, status: int, detail: str) -> bool:
    kind = answer.headers["Content-Type"]
    return (answer.status, kind, answer.json["detail"]) == (
        status,
        "application/problem+json",
        detail,
    )


def test_an_added_revocation_is_listed_until_it_is_undone(verifier: RunningVerifier) -> None:
    before = time.time()
    added = ask_admin(verifier, "POST", {"jti": "a", "room": "Stand Up", "reason": "why"})
    assert added.status == 201
    expires = added.json["expires"]
    assert before + 86_400 <= expires <= time.time() + 86_401
    assert added.json == {
        "jti": "a",
        "room": "stand%20up",
        "reason": "why",
        "expires": expires,
    }
    assert listed(verifier) == [added.json]
    assert ask_admin(verifier, "HEAD").body == ""
    undo(verifier, **added.json)
    assert listed(verifier) == []


def test_revocations_are_listed_in_the_order_of_their_ends(verifier: RunningVerifier) -> None:
    soon = int(time.time()) + 100
    for jti, expires in (("b", soon + 2), ("a", soon), ("c", soon + 1)):
        assert ask_admin(verifier, "POST", {"jti": jti, "expires": expires}).status == 201
    assert [each["jti"] for each in listed(verifier)] == ["a", "c", "b"]
    for jti in "abc":
        undo(verifier, jti=jti)


def test_a_token_is_stored_as_its_digest_until_it_ends(verifier: RunningVerifier) -> None:
    good = token(exp=int(time.time()) + 600)
    added = ask_admin(verifier, "POST", {"token": good})
    assert added.json["token_digest"] == token_digest(good)
    leeway = 5
    assert abs(added.json["expires"] - time.time() - 600 - leeway) < 30
    assert verifier.ask("/standup", good).code == "revoked"
    undo(verifier, token=good)
    assert verifier.ask("/standup", good).status == 200


def test_undoing_an_unknown_revocation_is_404(verifier: RunningVerifier) -> None:
    answer = ask_admin(verifier, "DELETE", {"jti": "unheard of"})
    assert is_problem(answer, 404, "There is no such revocation.")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"jit": "a"}, "jit: expected only token, jti, user_id, iss, kid, token_digest"),
        ({"iss": "a"}, "issued_before: expected it, as iss and issued_before go together"),
        ([], "body: expected a JSON object, found a list"),
    ],
)
def test_a_faulty_body_is_400_with_the_faulty_member(
    verifier: RunningVerifier, method: str, body: object, detail: str
) -> None:
    answer = ask_admin(verifier, method, body)
    assert answer.status == 400
    assert answer.json["detail"].startswith(detail)
    assert listed(verifier) == []


def test_a_body_that_is_too_large_is_413(verifier: RunningVerifier) -> None:
    assert ask_admin(verifier, "POST", {"jti": "a" * 200_000}).status == 413


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS"])
def test_other_methods_are_405_with_the_allowed_ones(
    verifier: RunningVerifier, method: str
) -> None:
    answer = ask_admin(verifier, method, {})
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST, DELETE")


def test_the_decision_address_has_no_such_path(verifier: RunningVerifier) -> None:
    assert get(verifier.port, PATH).status == 404
    assert post(verifier.port, PATH, b"{}").status == 404


def test_requests_of_foreign_web_pages_are_refused(verifier: RunningVerifier) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Content-Type": "text/plain"}):
        for method in ("POST", "DELETE"):
            assert ask_admin(verifier, method, {"jti": "a"}, **headers).status in (403, 415)


@pytest.mark.slow
def test_requests_need_the_admin_token(tmp_path: Path) -> None:
    with running_verifier(tmp_path, **OPTIONS, VERIFIER_ADMIN_TOKEN=ADMIN_TOKEN) as verifier:
        for method, body in (("GET", None), ("POST", {"jti": "a"}), ("DELETE", {"jti": "a"})):
            assert ask_admin(verifier, method, body).status == 401
        bearer = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        assert ask_admin(verifier, "POST", {"jti": "a"}, **bearer).status == 201


def test_changes_are_logged_without_the_token(verifier: RunningVerifier) -> None:
    revoked = token(jti="logged")
    assert ask_admin(verifier, "POST", {"token": revoked}).status == 201
    verifier.wait_for_log('"revoked"')
    assert revoked.rpartition(".")[2] not in verifier.log
    undo(verifier, token=revoked)
    verifier.wait_for_log('"revocation undone"')


def test_an_explanation_contains_the_revocation_and_its_reason(verifier: RunningVerifier) -> None:
    good = token(jti="explained")
    ask_admin(verifier, "POST", {"jti": "explained", "reason": "left the company"})
    body = json.dumps({"token": good, "room": "standup"}).encode()
    found = post(verifier.admin, "/v1/explain", body, {"Content-Type": "application/json"}).json
    assert (found["allowed"], found["code"]) == (False, "revoked")
    (failed,) = [step for step in found["steps"] if step["result"] == "fail"]
    assert failed["name"] == "revocation"
    assert "left the company" in failed["found"]
    assert failed["cure"].startswith("An operator revoked this token, its user or its room. Undo")
    assert "Undo the revocation (jitsi-verifier revoke --undo)" in failed["cure"]
    undo(verifier, jti="explained")
    found = post(verifier.admin, "/v1/explain", body, {"Content-Type": "application/json"}).json
    assert ("revocation", "pass") in [(step["name"], step["result"]) for step in found["steps"]]
