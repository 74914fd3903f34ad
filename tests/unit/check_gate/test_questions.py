"""The table of questions."""

from __future__ import annotations

import re

from tests.support.jitsi import segments
from verifier.check_gate.asker import MAX_REQUESTS
from verifier.check_gate.disguises import BOSH, CONFERENCE, ROOM_SIZE, WEBSOCKET
from verifier.check_gate.model import Target
from verifier.check_gate.questions import BOSH_NAMESPACE, QUESTIONS


def test_there_are_at_most_a_hundred_questions() -> None:
    assert MAX_REQUESTS == 100
    assert len(QUESTIONS) <= MAX_REQUESTS


def test_every_question_has_a_name_of_its_own_and_a_cure() -> None:
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS)
    assert all(len(question.cure) > 20 for question in QUESTIONS)


def test_every_disguise_is_signalling_to_a_lenient_server() -> None:
    for path in (BOSH | WEBSOCKET | ROOM_SIZE | CONFERENCE).values():
        names = segments(path)
        services = {"http-bind", "xmpp-websocket", "room-info", "conference-request"}
        # A server that splits the path at an encoded question mark, or not, takes it differently.
        assert services & {*names, *segments(path.replace("%3f", ""))}, path


def test_no_request_creates_a_session_or_a_conference() -> None:
    for question in QUESTIONS:
        request = question.request
        if BOSH_NAMESPACE in request.body:
            assert re.search(r" sid='check-gate'", request.body)
            assert " to=" not in request.body
        else:
            assert request.body in {"", "check-gate"}
        assert request.method in {"GET", "POST", "OPTIONS"}
        assert not request.upgrade or question.target is Target.WEBSOCKET
