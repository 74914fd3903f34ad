"""Links in mails, pages, calendars, logs and commands are read as their programs read them."""

from __future__ import annotations

import html
import json
import quopri
from urllib.parse import quote

import pytest

from tests.support.explanations import KEYS, NOW, POLICY, signed
from verifier.explain import Explanation, PastedInput, add_pasted, explain

TOKEN = signed()
LINK = f"https://meet.example.org/standup?lang=de&jwt={TOKEN}"
ADDRESS = "standup@conference.meet.jitsi"
REDIRECT = f"https://b.example/url?q={quote(LINK, safe='')}"
FOLDED = "\r\n ".join(LINK[at : at + 70] for at in range(0, len(LINK), 70))
WRAPPED = "\n".join(LINK[at : at + 76] for at in range(0, len(LINK), 76))
LOG = '203.0.113.9 - - [30/Nov/2026:09:00:00 +0000] "GET {} HTTP/2.0" 401 12 "{}" "Mozilla/5.0"'


def read(text: str) -> PastedInput:
    found = PastedInput()
    found.read(text)
    return found


def explain_text(text: str) -> Explanation:
    """Explain a pasted text, and assert that the explanation does not contain the token."""
    pasted = read(text)
    found = explain(pasted.request(None, POLICY), POLICY, KEYS, NOW)
    explanation = add_pasted(found, pasted)
    assert TOKEN.rpartition(".")[2] not in repr(explanation)
    return explanation


def quoted_printable(text: str) -> str:
    return quopri.encodestring(text.encode()).decode()


def carets(text: str) -> str:
    return text.replace("&", "^&").replace('"', '^"')


@pytest.mark.parametrize(
    "text",
    [
        quoted_printable(f"Join: {LINK}\nBye"),
        quoted_printable(f'<p>Hello</p><a href="{html.escape(LINK)}">Join</a>'),
        f'<a href="{html.escape(LINK)}">Join</a>',
        f"<a class='b' href='{html.escape(LINK)}'>Join</a>",
        f"<a href={html.escape(LINK)}>Join</a>",
        f'<a href="{LINK.replace("&", "&#38;")}">Join</a>',
        f'<a href="{LINK.replace("=ey", "&#x3D;ey")}">Join</a>',
        f"<p>Join: {html.escape(LINK)}</p>",
        json.dumps({"url": LINK}).replace("/", "\\/"),
        json.dumps({"url": LINK}).replace("&", "\\u0026"),
        json.dumps({"body": f'<a href="{html.escape(LINK)}">Join</a>'}),
        json.dumps({"text": f"Join: {LINK}\nBye"}),
        f"BEGIN:VEVENT\r\nSUMMARY:x\r\nLOCATION:{FOLDED}\r\nEND:VEVENT",
        f"DESCRIPTION:Join: {FOLDED}\\n\\nBye",
        f"URL;VALUE=URI:{LINK}",
        f"[InternetShortcut]\nURL={LINK}",
        f"\u201c{LINK}\u201d",
        f"\u201e{LINK}\u201c",
        f"\u00ab{LINK}\u00bb",
        f"Join \u201c{LINK}\u201d now",
        f"**{LINK}**",
        f"Join __{LINK}__ now",
        f"<{LINK}|Join the meeting>",
        f"[join](<{LINK}>)",
        f"\u4f1a\u8bae\uff1a{LINK}\u3002",
        f"\u3010{LINK}\u3011",
        f"[{LINK} Join]",
        f"[[{LINK}][Join]]",
        f'"Join":{LINK}',
        f"[url={LINK}]Join[/url]",
        f"[url]{LINK}[/url]",
        f"\\href{{{LINK}}}{{Join}}",
        f"{{url={LINK}, room=standup}}",
        f"Ada,{LINK},standup",
        LINK.replace("https://", "https//"),
        LINK.replace("meet.example.org", "m\u00fcnchen.example"),
        f":authority: meet.example.org\n:path: /standup?jwt={TOKEN}\naccept: */*",
        json.dumps({"host": "meet.example.org", "uri": "/standup", "args": f"jwt={TOKEN}"}),
        f"https://a.example/?url={quote(REDIRECT, safe='')}",
        f"> Ada wrote:\n> {LINK}\n> Bye",
        carets(f'curl "{LINK}" -H "accept: */*"'),
        quote(LINK, safe=""),
        quote(quote(LINK, safe=""), safe=""),
        f"https://eur01.safelinks.example/?url={quote(LINK, safe='')}&data=05",
        f"https://www.google.example/url?q={quote(LINK, safe='')}&sa=D",
        f"https://urldefense.example/v3/__{LINK}__;!!Abc$",
        f"https://app.example/?link={quote(LINK, safe='')}&apn=org.jitsi.meet",
        f"URLTO:{LINK}",
        f"view-source:{LINK}",
        f"GET /standup?jwt={TOKEN} HTTP/1.1\r\nHost: meet.example.org\r\n\r\n",
        f"POST /http-bind?room=standup HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n",
        LOG.format(f"/standup?jwt={TOKEN}", "-"),
        LOG.format(f"https://meet.example.org/standup?jwt={TOKEN}", "-"),
        json.dumps({"request": {"host": "meet.example.org", "uri": f"/standup?jwt={TOKEN}"}}),
        f'server: m, request: "GET /standup?jwt={TOKEN} HTTP/1.1", host: "meet.example.org"',
    ],
)
def test_link_is_read_as_its_program_would(text: str) -> None:
    found = read(text)
    assert found.token == TOKEN
    assert found.request(None, POLICY).room_jid == ADDRESS
    assert explain_text(text).allowed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"Join:\n{WRAPPED}\nRegards", "A line break stands within the token"),
        (WRAPPED, "A line break stands within the token"),
        (f"https://meet.example.org/standup?jwt=3D{TOKEN}", "as = is written in the source of a"),
        (f"https://meet.example.org/standup?lang=de\\u0026jwt={TOKEN}", "as in JSON, \\u0026"),
    ],
)
def test_link_that_was_broken_for_good_stays_denied(text: str, words: str) -> None:
    explanation = explain_text(text)
    assert not explanation.allowed
    assert words in explanation.cause_and_cure[0]


@pytest.mark.parametrize(
    "text",
    [
        LOG.format("/http-bind?room=standup", LINK),
        f"curl 'https://meet.example.org/http-bind?room=standup' -H 'referer: {LINK}'",
        f"curl -H 'Referer: {LINK}' 'https://meet.example.org/http-bind?room=standup'",
        f"curl -e '{LINK}' 'https://meet.example.org/http-bind?room=standup'",
        json.dumps(
            {
                "url": "https://meet.example.org/http-bind?room=standup",
                "headers": [{"name": "Referer", "value": LINK}],
            }
        ),
    ],
)
def test_token_in_the_referrer_does_not_count(text: str) -> None:
    explanation = explain_text(text)
    assert explanation.code == "token-missing"


def test_host_of_a_described_request_is_found() -> None:
    text = f"GET /standup?jwt={TOKEN} HTTP/1.1\nHost: Meet.example.org:8443\n"
    assert read(text).host == "meet.example.org"
    assert read(f"/standup?jwt={TOKEN}").host is None


def test_link_to_the_same_host_is_no_redirect() -> None:
    text = f"https://meet.example.org/standup?back={quote(LINK, safe='')}"
    assert explain_text(text).code == "token-missing"


@pytest.mark.parametrize("mark", ["\u200b", "\ufeff", "\u200e", "\u2060", "\u00ad"])
def test_invisible_character_is_named_wherever_it_stands(mark: str) -> None:
    explanation = explain_text(f"{LINK}{mark}")
    assert "of the text was left out" in explanation.notes[0]
    inside = LINK.replace(TOKEN, TOKEN.replace(".", f".{mark}"))
    cause, _ = explain_text(inside).cause_and_cure
    assert cause.endswith("stands in the token or beside it.")
