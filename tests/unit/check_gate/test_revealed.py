"""What all answers together reveal."""

from __future__ import annotations

import pytest

from verifier.check_gate.model import (
    Answer,
    Credential,
    Expected,
    Header,
    Question,
    Request,
    Target,
    Token,
    Verdict,
)
from verifier.check_gate.revealed import Exchange, evaluate_all

TOKEN = "eyJ0eXAiOiJKV1QifQ.eyJyb29tIjoiYSJ9.c2lnbmF0dXJl"
HOST = "meet.example.org"


def verdicts(status: int, *headers: Header, body: str = "", page: bool = False) -> dict[str, str]:
    request = Request("/{room}", credential=Credential.GOOD)
    target = Target.PAGE if page else Target.BOSH
    question = Question("group", "text", request, target, Expected.ADMITTED, "")
    exchange = Exchange(question, Token(TOKEN), Answer(status, headers, body.encode()), HOST)
    return {each.question.text: each.verdict for each in evaluate_all([exchange])}


def test_token_in_a_body_or_header_is_a_miss() -> None:
    name = "no answer repeats a token"
    assert verdicts(200, body=f"<a href='?jwt={TOKEN}'>")[name] is Verdict.MISSED
    assert verdicts(200, ("link", f"<?jwt={TOKEN}>"))[name] is Verdict.MISSED
    assert verdicts(200, body="a page")[name] is Verdict.HOLDS


@pytest.mark.parametrize("start", ["", f"https://{HOST}"])
def test_handoff_on_the_same_site_may_repeat_the_token(start: str) -> None:
    location = ("location", f"{start}/standup#jwt={TOKEN}")
    assert verdicts(303, location)["no answer repeats a token"] is Verdict.HOLDS


@pytest.mark.parametrize("start", ["https://other.example", f"https://{HOST}.example", "//x"])
def test_redirect_to_another_site_may_not_repeat_the_token(start: str) -> None:
    location = ("location", f"{start}/standup#jwt={TOKEN}")
    assert verdicts(303, location)["no answer repeats a token"] is Verdict.MISSED


def test_identity_headers_in_an_answer_are_a_miss() -> None:
    name = "no answer has identity headers"
    assert verdicts(200, ("x-jitsi-room", "standup"))[name] is Verdict.MISSED
    for shown in ("x-jitsi-denial", "x-jitsi-shard", "x-jitsi-region"):
        assert verdicts(200, (shown, "x"))[name] is Verdict.HOLDS


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((), Verdict.MISSED),
        (("no-referrer",), Verdict.HOLDS),
        (("strict-origin-when-cross-origin",), Verdict.HOLDS),
        (("no-referrer, unsafe-url",), Verdict.MISSED),
        (("no-referrer", "unsafe-url"), Verdict.MISSED),
    ],
)
def test_referrer_policy_must_hide_the_query(values: tuple[str, ...], verdict: Verdict) -> None:
    headers = [("referrer-policy", value) for value in values]
    assert verdicts(200, *headers, page=True)["Referrer-Policy of the room's page"] is verdict
    assert verdicts(401, *headers)["Referrer-Policy of denials"] is verdict


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (401, {"x-jitsi-denial": "token-missing", "cache-control": "no-store"}, Verdict.HOLDS),
        (401, {"x-jitsi-denial": "token-missing"}, Verdict.MISSED),
        (404, {"x-jitsi-denial": "token-missing"}, Verdict.MISSED),
        (401, {}, Verdict.HOLDS),  # RFC 9111, section 3: not stored unless a header says so
        (403, {"cache-control": "public, max-age=60"}, Verdict.MISSED),
        (403, {"cache-control": "private, max-age=60"}, Verdict.HOLDS),
    ],
)
def test_denial_may_not_be_cacheable(
    status: int, headers: dict[str, str], verdict: Verdict
) -> None:
    assert verdicts(status, *headers.items())["no denial may be cached"] is verdict


def test_rows_without_an_answer_are_not_asked() -> None:
    assert {each.verdict for each in evaluate_all([])} == {Verdict.NOT_ASKED}
