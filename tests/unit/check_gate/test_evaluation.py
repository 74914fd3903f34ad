"""Recorded answers of proxies, Prosody and Jitsi's pages get the right verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest

from verifier.check_gate.evaluation import Context, describe, evaluate
from verifier.check_gate.model import (
    Answer,
    Credential,
    Expected,
    Header,
    Question,
    Request,
    Server,
    Target,
    Token,
    Verdict,
)

HTML: Header = ("content-type", "text/html; charset=utf-8")
JSON: Header = ("content-type", "application/json")
DENIED = Answer(401, (("x-jitsi-denial", "token-missing"), HTML), b"<html>No token</html>")
NGINX_DENIED = Answer(403, (HTML,), b"<html><h1>403 Forbidden</h1><hr>nginx</html>")
SESSION_UNKNOWN = Answer(
    200,
    (("content-type", "text/xml; charset=utf-8"),),
    b"<body xmlns='http://jabber.org/protocol/httpbind' type='terminate'"
    b" condition='item-not-found'/>",
)
PROSODY_PAGE = Answer(
    200,
    (HTML,),
    b"<html><title>Prosody BOSH endpoint</title><p>It works! Now point your BOSH client to this"
    b" URL to connect to Prosody.</p></html>",
)
WEBSOCKET = Answer(101, (("upgrade", "websocket"),))
JITSI_PAGE = Answer(200, (HTML,), b"<html><title>Jitsi Meet</title></html>")
LOGIN_PAGE = Answer(200, (HTML,), b"<html>Please sign in</html>")
JICOFO = Answer(400, (), b"")
ROOM_SIZE = Answer(200, (JSON,), b'{"participants":0}')
NOT_FOUND = Answer(404, (HTML,), b"<html>404</html>")
REDIRECTED = Answer(302, (("location", "https://login.example.org/?back=x"),))
UNAVAILABLE = Answer(503, (HTML,), b"<html>503</html>")
FAILED = Answer(500, (), b"")
FAILED_PAGE = Answer(500, (HTML,), b"<html><h1>500 Internal Server Error</h1></html>")
SILENT = Answer(failure="the connection was closed without an answer")
LATE = Answer(failure="no answer within 10 s", connected=False)
REFUSED = Answer(failure="connection refused", connected=False)
METRICS = Answer(200, (("content-type", "text/plain"),), b"jitsi_verifier_in_flight 0\n")

GOOD, BAD, NONE = Token("a.b.c"), Token("a.b.d", "token-expired"), Token(code="token-missing")


def question(expected: Expected, target: Target = Target.BOSH, **request: object) -> Question:
    asked = replace(Request("/http-bind?room={room}"), **request)  # type: ignore[arg-type]  # any attribute
    return Question("group", "text", asked, target, expected, "the cure")


def verdict(asked: Question, answer: Answer, token: Token = NONE, **context: object) -> Verdict:
    state = Context(**context)  # type: ignore[arg-type]  # any attribute
    return evaluate(asked, answer, token, state).verdict


@pytest.mark.parametrize(
    "answer", [DENIED, NGINX_DENIED, LOGIN_PAGE, JITSI_PAGE, NOT_FOUND, REDIRECTED, SILENT]
)
def test_bosh_that_prosody_does_not_answer_is_denied(answer: Answer) -> None:
    assert verdict(question(Expected.DENIED), answer) is Verdict.HOLDS


@pytest.mark.parametrize("answer", [SESSION_UNKNOWN, PROSODY_PAGE, WEBSOCKET, ROOM_SIZE])
def test_signalling_that_is_answered_is_not_denied(answer: Answer) -> None:
    assert verdict(question(Expected.DENIED), answer) is Verdict.MISSED


def test_denial_code_on_an_answer_of_prosody_is_no_denial() -> None:
    for answer in (SESSION_UNKNOWN, replace(SESSION_UNKNOWN, status=401), ROOM_SIZE):
        marked = replace(answer, headers=(*answer.headers, ("x-jitsi-denial", "token-missing")))
        assert verdict(question(Expected.DENIED), marked) is Verdict.MISSED


def test_denial_by_a_dead_verifier_is_not_as_it_should_be() -> None:
    result = evaluate(question(Expected.DENIED), UNAVAILABLE, NONE, Context())
    assert result.verdict is Verdict.MISSED
    assert "does not answer" in result.cure


@pytest.mark.parametrize("failed", [FAILED, FAILED_PAGE, UNAVAILABLE, replace(FAILED, status=503)])
def test_failure_that_bosh_gets_is_the_proxys_own(failed: Answer) -> None:
    """Without the verifier, Traefik and an nginx of its own answer 500, as Jicofo does, too."""
    context = Context()
    context.learn(question(Expected.DENIED), failed)
    for target in (Target.BOSH, Target.WEBSOCKET, Target.SERVICE):
        admitted = question(Expected.ADMITTED, target)
        context.learn(admitted, failed)
        denied = question(Expected.DENIED, target)
        results = [
            evaluate(admitted, failed, GOOD, context),
            evaluate(denied, failed, NONE, context),
        ]
        assert {result.verdict for result in results} == {Verdict.MISSED}
        assert all("verifier or Jitsi does not answer" in result.cure for result in results)
        closed = question(Expected.NOTHING_OPENED, target)
        assert evaluate(closed, failed, NONE, context).verdict is Verdict.HOLDS


def test_failure_of_jicofo_alone_is_an_answer_of_jicofo() -> None:
    context, path = Context(), "/conference-request/v1?room={room}"
    context.learn(question(Expected.ADMITTED), SESSION_UNKNOWN)
    asked = question(Expected.ADMITTED, Target.SERVICE, path=path)
    context.learn(asked, FAILED)
    assert evaluate(asked, FAILED, GOOD, context).verdict is Verdict.HOLDS
    guest = question(Expected.DENIED, Target.SERVICE, path=path)
    let_in = evaluate(guest, FAILED, NONE, context)
    assert (let_in.verdict, let_in.cure) == (Verdict.MISSED, "the cure")


def test_late_answer_shows_nothing_about_a_denial() -> None:
    assert verdict(question(Expected.DENIED), LATE) is Verdict.NOT_ASKED
    assert verdict(question(Expected.NOTHING_OPENED), LATE) is Verdict.NOT_ASKED
    assert verdict(question(Expected.ADMITTED), LATE, GOOD) is Verdict.MISSED


@pytest.mark.parametrize("good", [JICOFO, ROOM_SIZE])
def test_service_is_let_in_if_it_answers_as_to_a_good_token(good: Answer) -> None:
    asked = question(Expected.DENIED, Target.SERVICE, credential=Credential.GUEST)
    context = Context()
    admitted = question(Expected.ADMITTED, Target.SERVICE, credential=Credential.GOOD)
    context.learn(admitted, good)
    assert evaluate(asked, good, NONE, context).verdict is Verdict.MISSED
    assert evaluate(asked, LOGIN_PAGE, NONE, context).verdict is Verdict.HOLDS
    assert evaluate(asked, DENIED, NONE, context).verdict is Verdict.HOLDS


def test_unknown_service_is_let_in_unless_it_is_denied() -> None:
    asked = question(Expected.DENIED, Target.SERVICE)
    assert verdict(asked, JICOFO) is Verdict.MISSED
    assert verdict(asked, NGINX_DENIED) is Verdict.HOLDS


def test_denial_shows_nothing_if_a_good_token_is_denied() -> None:
    asked = question(Expected.DENIED, credential=Credential.EXPIRED)
    wrong_secret = Answer(401, (("x-jitsi-denial", "signature-invalid"),))
    expired = Answer(401, (("x-jitsi-denial", "token-expired"),))
    assert verdict(asked, wrong_secret, BAD, refused_good=True) is Verdict.NOT_ASKED
    assert verdict(asked, NGINX_DENIED, BAD, refused_good=True) is Verdict.NOT_ASKED
    assert verdict(asked, expired, BAD, refused_good=True) is Verdict.HOLDS
    assert verdict(asked, wrong_secret, BAD) is Verdict.HOLDS
    assert verdict(asked, DENIED, NONE, refused_good=True) is Verdict.HOLDS


def test_report_only_mode_is_named_as_the_cause() -> None:
    result = evaluate(question(Expected.DENIED), SESSION_UNKNOWN, NONE, Context(report_only=True))
    assert "report-only" in result.cure


@pytest.mark.parametrize("answer", [SESSION_UNKNOWN, PROSODY_PAGE])
def test_good_token_reaches_prosody(answer: Answer) -> None:
    assert verdict(question(Expected.ADMITTED), answer, GOOD) is Verdict.HOLDS


@pytest.mark.parametrize(
    "answer", [DENIED, NGINX_DENIED, LOGIN_PAGE, NOT_FOUND, UNAVAILABLE, SILENT, REDIRECTED]
)
def test_good_token_that_does_not_reach_prosody_is_a_miss(answer: Answer) -> None:
    assert verdict(question(Expected.ADMITTED), answer, GOOD) is Verdict.MISSED


@pytest.mark.parametrize(
    ("code", "words"),
    [("signature-invalid", "another secret"), ("token-expired", "clocks"), ("x-new", "the cure")],
)
def test_cure_of_a_denied_good_token_follows_from_its_code(code: str, words: str) -> None:
    answer = Answer(401, (("x-jitsi-denial", code),))
    assert words in evaluate(question(Expected.ADMITTED), answer, GOOD, Context()).cure


def test_service_that_is_not_installed_is_not_asked() -> None:
    for target in (Target.SERVICE, Target.WEBSOCKET):
        assert verdict(question(Expected.ADMITTED, target), NOT_FOUND, GOOD) is Verdict.NOT_ASKED


def test_websocket_that_is_not_opened_is_a_miss() -> None:
    asked = question(Expected.ADMITTED, Target.WEBSOCKET, upgrade=True)
    assert verdict(asked, WEBSOCKET, GOOD) is Verdict.HOLDS
    assert verdict(asked, Answer(400), GOOD) is Verdict.MISSED


@pytest.mark.parametrize("answer", [SESSION_UNKNOWN, PROSODY_PAGE, WEBSOCKET])
def test_disguised_path_that_reaches_prosody_is_a_miss(answer: Answer) -> None:
    assert verdict(question(Expected.NOTHING_OPENED), answer) is Verdict.MISSED


@pytest.mark.parametrize(
    "answer", [DENIED, NGINX_DENIED, JITSI_PAGE, NOT_FOUND, UNAVAILABLE, REDIRECTED, Answer(400)]
)
def test_disguised_path_that_opens_nothing_holds(answer: Answer) -> None:
    assert verdict(question(Expected.NOTHING_OPENED), answer) is Verdict.HOLDS


@pytest.mark.parametrize("answer", [JITSI_PAGE, NOT_FOUND, Answer(204), Answer(304)])
def test_public_file_holds_if_it_is_not_denied(answer: Answer) -> None:
    asked = question(Expected.OPEN, Target.FILE, path="/config.js")
    assert verdict(asked, answer) is Verdict.HOLDS


@pytest.mark.parametrize("answer", [DENIED, NGINX_DENIED, UNAVAILABLE, REDIRECTED, SILENT])
def test_public_file_that_needs_a_token_is_a_miss(answer: Answer) -> None:
    asked = question(Expected.OPEN, Target.FILE, path="/config.js")
    assert verdict(asked, answer) is Verdict.MISSED


def test_refusal_by_a_limit_of_requests_shows_nothing() -> None:
    for expected in (Expected.DENIED, Expected.NOTHING_OPENED):
        assert verdict(question(expected), Answer(429)) is Verdict.NOT_ASKED


def test_service_that_is_not_found_shows_no_gate() -> None:
    """Jitsi answers 404 for the size of a room that does not exist, with or without a gate."""
    asked = question(Expected.DENIED, Target.SERVICE)
    assert verdict(asked, NOT_FOUND) is Verdict.NOT_ASKED


def test_websocket_that_is_not_passed_on_is_a_miss() -> None:
    asked = question(Expected.ADMITTED, Target.WEBSOCKET, upgrade=True)
    result = evaluate(asked, PROSODY_PAGE, GOOD, Context())
    assert result.verdict is Verdict.MISSED
    assert "Upgrade" in result.cure


def test_page_in_the_place_of_a_websocket_is_not_asked() -> None:
    asked = question(Expected.ADMITTED, Target.WEBSOCKET, upgrade=True)
    assert verdict(asked, JITSI_PAGE, GOOD) is Verdict.NOT_ASKED


def test_same_page_for_all_is_no_service() -> None:
    asked, context = question(Expected.DENIED, Target.SERVICE), Context()
    context.learn(question(Expected.ADMITTED, Target.SERVICE), LOGIN_PAGE)
    assert evaluate(asked, LOGIN_PAGE, NONE, context).verdict is Verdict.HOLDS


def test_cure_of_a_denial_without_a_code_names_other_rules() -> None:
    assert "password" in evaluate(question(Expected.ADMITTED), NGINX_DENIED, GOOD, Context()).cure


def test_proxy_that_answers_options_itself_opens_nothing() -> None:
    asked = question(Expected.DENIED, method="OPTIONS")
    assert verdict(asked, Answer(204)) is Verdict.HOLDS


@pytest.mark.parametrize("answer", [NGINX_DENIED, JITSI_PAGE, NOT_FOUND, REDIRECTED])
def test_other_program_on_the_port_of_jicofo_holds(answer: Answer) -> None:
    asked = question(Expected.UNREACHABLE, Target.SERVICE, server=Server.JICOFO)
    assert verdict(asked, answer) is Verdict.HOLDS
    assert verdict(asked, JICOFO) is Verdict.MISSED


def test_disguised_service_is_known_by_the_answer_to_a_good_token() -> None:
    asked, context = question(Expected.NOTHING_OPENED, Target.SERVICE), Context()
    assert evaluate(asked, ROOM_SIZE, NONE, context).verdict is Verdict.HOLDS
    context.learn(question(Expected.ADMITTED, Target.SERVICE), ROOM_SIZE)
    assert evaluate(asked, ROOM_SIZE, NONE, context).verdict is Verdict.MISSED
    assert evaluate(asked, JITSI_PAGE, NONE, context).verdict is Verdict.HOLDS


def test_media_bridge_need_not_run() -> None:
    asked = question(Expected.OPEN, Target.FILE, path="/colibri-ws/default-id/x")
    assert verdict(asked, Answer(502)) is Verdict.HOLDS


@pytest.mark.parametrize(
    "answer",
    [METRICS, Answer(200, (("x-jitsi-room", "standup"),)), Answer(200, (), b'"fingerprint"')],
)
def test_verifier_that_can_be_reached_is_a_miss(answer: Answer) -> None:
    asked = question(Expected.UNREACHABLE, Target.VERIFIER, path="/metrics")
    assert verdict(asked, answer) is Verdict.MISSED


@pytest.mark.parametrize("answer", [DENIED, NGINX_DENIED, JITSI_PAGE, NOT_FOUND])
def test_verifier_that_the_proxy_hides_holds(answer: Answer) -> None:
    asked = question(Expected.UNREACHABLE, Target.VERIFIER, path="/metrics")
    assert verdict(asked, answer) is Verdict.HOLDS


def test_port_beside_the_proxy_is_a_miss_if_prosody_answers() -> None:
    asked = question(Expected.UNREACHABLE, server=Server.BOSH)
    assert verdict(asked, SESSION_UNKNOWN) is Verdict.MISSED
    for answer in (REFUSED, LATE, NOT_FOUND):
        assert verdict(asked, answer) is Verdict.HOLDS


def test_port_of_the_same_machine_is_not_asked() -> None:
    asked = question(Expected.UNREACHABLE, server=Server.BOSH)
    assert verdict(asked, replace(SESSION_UNKNOWN, own_address=True)) is Verdict.NOT_ASKED


def test_description_repeats_nothing_that_a_request_contained() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2ln"
    for name in ("location", "x-jitsi-denial", "content-type"):
        for value in (token, f"https://x.example/?jwt={token}", f"https://{token}@x.example/"):
            assert token not in describe(Answer(302, ((name, value),)))
