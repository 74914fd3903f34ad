"""Denial pages through the real proxies: in the reader's language, whole, and never kept."""

from __future__ import annotations

import re
import tomllib
from html import escape, unescape
from typing import Any

import pytest

from tests.support.paths import CONTRIB
from tests.support.raw_http import Answer, Header
from tests.system.nginx.sites import mint
from tests.system.proxies.gates import GATES_WITH_PAGES, RealGate

TEXTS: dict[str, Any] = tomllib.loads((CONTRIB / "pages/texts.toml").read_text("utf-8"))
CODES: dict[str, list[str]] = TEXTS.pop("codes")
LANGUAGES = list(TEXTS)
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def accept(languages: str) -> Header:
    return ("Accept-Language", languages)


def said(answer: Answer) -> tuple[str, str, str]:
    """Give a page's language, denial code and request id; the code stands in it twice."""
    (language,) = re.findall(r'<html lang="(\w+)">', answer.text)
    (code,) = re.findall(r'<code id="code">(.*?)</code>', answer.text)
    (request_id,) = re.findall(r'<code id="request">(.*?)</code>', answer.text)
    assert f'<main data-code="{code}">' in answer.text
    return language, code, request_id


def check_page(answer: Answer, language: str) -> None:
    """A whole page in this language, for this reader only."""
    headers = answer.headers
    assert headers.get_all("Content-Type") == ["text/html; charset=utf-8"]
    assert headers.get_all("Content-Language") == [language]
    assert headers.get_all("Cache-Control") == ["no-store"]
    assert headers.get_all("Content-Security-Policy") == [POLICY]
    assert headers.get_all("Referrer-Policy") == ["no-referrer"]
    assert headers.get_all("X-Content-Type-Options") == ["nosniff"]
    assert "Accept-Language" in headers["Vary"]
    assert said(answer)[0] == language
    assert f"<title>{escape(TEXTS[language]['title'])}</title>" in answer.text
    assert answer.text.endswith("</html>\n")


@GATES_WITH_PAGES
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_expired_link_is_explained_in_every_language(gate: RealGate, language: str) -> None:
    token = mint(exp=1_500_000_000)
    answer = gate.ask(f"/standup?jwt={token}", accept(language))
    check_page(answer, language)
    _, code, request_id = said(answer)
    assert answer.denial == (401, code) == (401, "token-expired")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert f'"{request_id}"' in gate.sidecar.log.read_text()
    assert all(text in unescape(answer.text) for text in TEXTS[language]["groups"]["expired"])
    assert not [part for part in token.split(".") if part in answer.text + str(answer.headers)]


@GATES_WITH_PAGES
@pytest.mark.parametrize(
    ("languages", "shown"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("pt-BR,pt;q=0.9, fr;q=0.8, en;q=0.7", "fr"),
        ("pt, en-GB;q=0.9, ru;q=0.5", "en"),
        ("es,de", "es"),
        ("RU", "ru"),
        ("es-419", "es"),
        ("den,frr,rub", "en"),
        ("ja", "en"),
        ("*", "en"),
        ("", "en"),
        ("/../../x", "en"),
        (", , " * 1000 + "!", "en"),
    ],
)
def test_the_first_language_that_there_is_counts(
    gate: RealGate, languages: str, shown: str
) -> None:
    answer = gate.ask("/standup", accept(languages))
    assert answer.denial == (401, "token-missing")
    check_page(answer, shown)
    assert said(gate.ask("/standup"))[0] == "en"


@GATES_WITH_PAGES
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sidecar_that_is_down_has_a_page_of_its_own(gate: RealGate, language: str) -> None:
    token = mint()
    gate.sidecar.stop()
    answer = gate.ask(f"/standup?jwt={token}", accept(language))
    gate.sidecar.start()
    check_page(answer, language)
    assert answer.denial == (503, None)
    assert said(answer)[1] in CODES["unavailable"]
    assert "eyJ" not in answer.text


@GATES_WITH_PAGES
def test_a_jitsi_that_is_down_is_not_blamed_on_the_invitation(gate: RealGate) -> None:
    before = gate.ask(f"/standup?jwt={mint()}").status
    with gate.without_jitsi():
        answers = [gate.ask(f"/standup?jwt={mint()}"), gate.ask("/config.js")]
    assert before == 200
    for answer in answers:
        assert 502 <= answer.status <= 503
        assert "<main" not in answer.text


@GATES_WITH_PAGES
@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "PROPFIND"])
def test_a_page_answers_every_method(gate: RealGate, method: str) -> None:
    answer = gate.ask("/http-bind?room=standup", method=method, body=b"<body/>")
    assert answer.denial == (401, "token-missing")
    check_page(answer, "en")


@GATES_WITH_PAGES
def test_nobody_gets_a_part_of_a_page_or_an_empty_one(gate: RealGate) -> None:
    kept = gate.ask("/standup").headers["ETag"] or '"a"'
    for header in (
        ("Range", "bytes=0-9"),
        ("If-None-Match", kept),
        ("If-None-Match", "*"),
        ("If-Match", '"b"'),
        ("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ):
        answer = gate.ask("/standup", header)
        assert answer.denial == (401, "token-missing")
        check_page(answer, "en")


@GATES_WITH_PAGES
def test_nothing_of_the_request_gets_into_the_page(gate: RealGate) -> None:
    forged = ("X-Jitsi-Denial", "<b>forged"), ("X-Request-Id", "<b>forged")
    up = gate.ask("/standup?jwt=<b>forged", *forged, accept("<b>forged"))
    gate.sidecar.stop()
    down = gate.ask("/standup?jwt=<b>forged", *forged, accept("<b>forged"))
    gate.sidecar.start()
    for answer in (up, down):
        check_page(answer, "en")
        assert "forged" not in answer.text + str(answer.headers)
