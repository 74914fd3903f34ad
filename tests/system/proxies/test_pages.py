"""Denial pages through Caddy and Envoy: in the reader's language, complete, never cached."""

from __future__ import annotations

import re
from html import escape, unescape

import pytest

from tests.support import raw_http
from tests.support.denial_pages import (
    CODES,
    LANGUAGES,
    POLICY,
    SELECTED_LANGUAGES,
    SHOWN_DECODED_ROOMS,
    SHOWN_ROOMS,
    TEXTS,
    accept,
    shown_address,
)
from tests.support.raw_http import Answer
from tests.system.nginx.sites import mint
from tests.system.proxies.gates import GATES_WITH_PAGES, RealGate


def page_fields(answer: Answer) -> tuple[str, str, str]:
    """Return the language, the denial code (which occurs twice) and the request id of a page."""
    (language,) = re.findall(r'<html lang="(\w+)" dir="ltr">', answer.text)
    (code,) = re.findall(r'<code id="code">(.*?)</code>', answer.text)
    (request_id,) = re.findall(r'<code id="request">(.*?)</code>', answer.text)
    assert f'<main data-code="{code}" data-retry="' in answer.text
    return language, code, request_id


def check_page(answer: Answer, language: str) -> None:
    """Check that an answer is a complete page in this language, and that it is not cached."""
    headers = answer.headers
    assert headers.get_all("Content-Type") == ["text/html; charset=utf-8"]
    assert headers.get_all("Content-Language") == [language]
    assert headers.get_all("Cache-Control") == ["no-store"]
    assert headers.get_all("Content-Security-Policy") == [POLICY]
    assert headers.get_all("Referrer-Policy") == ["no-referrer"]
    assert headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert "Accept-Language" in headers["Vary"]
    assert page_fields(answer)[0] == language
    assert f"<title>{escape(TEXTS[language]['title'])}</title>" in answer.text
    assert answer.text.endswith("</html>\n")


@GATES_WITH_PAGES
@pytest.mark.parametrize("language", LANGUAGES)
def test_expired_link_is_explained_in_every_language(gate: RealGate, language: str) -> None:
    token = mint(exp=1_500_000_000)
    answer = gate.send(f"/standup?jwt={token}", accept(language))
    check_page(answer, language)
    _, code, request_id = page_fields(answer)
    assert answer.denial == (401, code) == (401, "token-expired")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert f'"{request_id}"' in gate.sidecar.log.read_text()
    assert all(text in unescape(answer.text) for text in TEXTS[language]["groups"]["expired"])
    assert not [part for part in token.split(".") if part in answer.text + str(answer.headers)]


@GATES_WITH_PAGES
@pytest.mark.parametrize(("languages", "expected"), SELECTED_LANGUAGES)
def test_first_accepted_language_with_a_page_is_used(
    gate: RealGate, languages: str, expected: str
) -> None:
    answer = gate.send("/standup", accept(languages))
    assert answer.denial == (401, "token-missing")
    check_page(answer, expected)
    assert page_fields(gate.send("/standup"))[0] == "en"


@GATES_WITH_PAGES
@pytest.mark.parametrize("language", LANGUAGES)
def test_unavailable_service_has_its_own_page(gate: RealGate, language: str) -> None:
    token = mint()
    gate.sidecar.stop()
    answer = gate.send(f"/standup?jwt={token}", accept(language))
    gate.sidecar.start()
    check_page(answer, language)
    assert answer.denial == (503, None)
    assert page_fields(answer)[1] in CODES["unavailable"]
    assert "eyJ" not in answer.text


@GATES_WITH_PAGES
def test_unavailable_jitsi_gets_no_denial_page(gate: RealGate) -> None:
    before = gate.send(f"/standup?jwt={mint()}").status
    with gate.without_jitsi():
        answers = [gate.send(f"/standup?jwt={mint()}"), gate.send("/config.js")]
    assert before == 200
    for answer in answers:
        assert 502 <= answer.status <= 503
        assert "<main" not in answer.text


@GATES_WITH_PAGES
@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "PROPFIND"])
def test_page_answers_every_method(gate: RealGate, method: str) -> None:
    answer = gate.send("/http-bind?room=standup", method=method, body=b"<body/>")
    assert answer.denial == (401, "token-missing")
    check_page(answer, "en")


@GATES_WITH_PAGES
def test_page_is_always_sent_whole(gate: RealGate) -> None:
    entity_tag = gate.send("/standup").headers["ETag"] or '"a"'
    for header in (
        ("Range", "bytes=0-9"),
        ("If-None-Match", entity_tag),
        ("If-None-Match", "*"),
        ("If-Match", '"b"'),
        ("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ):
        answer = gate.send("/standup", header)
        assert answer.denial == (401, "token-missing")
        check_page(answer, "en")


@GATES_WITH_PAGES
def test_page_shows_the_requested_host_and_room(gate: RealGate) -> None:
    for target, room in SHOWN_ROOMS:
        host, shown = shown_address(gate.send(target).text)
        assert host == "meet.example.org"
        assert shown == room if room is not None else "eyJ" not in shown
    for target, room in SHOWN_DECODED_ROOMS:
        _, shown = shown_address(gate.send(target).text)
        # Envoy cannot decode the path, and shows a room only if it consists of plain letters.
        assert shown == room if gate.name == "caddy" else shown in {"", "standup"}


@GATES_WITH_PAGES
def test_page_contains_nothing_else_from_the_request(gate: RealGate) -> None:
    forged = [(name, "<b>forged") for name in ("X-Jitsi-Denial", "X-Request-Id", "Retry-After")]
    target = "/standup?jwt=<b>forged"
    up = gate.send(target, *forged, accept("<b>forged"))
    gate.sidecar.stop()
    down = gate.send(target, *forged, accept("<b>forged"))
    port = gate.proxy.port
    hosts = [raw_http.send(port, "/standup", host=host) for host in ("<b>", 'x"y', "&lt;b>")]
    gate.sidecar.start()
    for answer in (up, down):
        check_page(answer, "en")
        assert "forged" not in answer.text + str(answer.headers)
    assert [answer for answer in hosts if "<b>" in answer.text or 'x"y' in answer.text] == []
