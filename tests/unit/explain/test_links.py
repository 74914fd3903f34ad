"""Links: what stands in the wrong place, what names no room, and the schemes of apps."""

from __future__ import annotations

import pytest

from tests.support.explanations import KEYS, NOW, POLICY, signed
from verifier.explain import (
    Explanation,
    PastedInput,
    UnreadableError,
    add_pasted,
    explain,
    explain_ambiguity,
)

TOKEN = signed()
HOST = "https://meet.example.org"


def explain_link(text: str) -> Explanation:
    """Explain a pasted text, and assert that the explanation does not contain the token."""
    pasted = PastedInput()
    pasted.read(text)
    assert not pasted.ambiguity, explain_ambiguity(pasted.ambiguity)
    found = explain(pasted.request(None, POLICY), POLICY, KEYS, NOW)
    explanation = add_pasted(found, pasted)
    assert TOKEN.rpartition(".")[2] not in repr(explanation)
    return explanation


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("/standup#config.x=1?jwt={}", "in the fragment, behind `#config.x=1?jwt=`"),
        ("/standup#?jwt={}", "in the fragment"),
        ("/standup#access_token={}", "in the fragment, behind `#access_token=`"),
        ("/standup#config.x=1%3Fjwt={}", "in the fragment"),
        ("/standup&jwt={}", "in the path, behind `&jwt=`"),
        ("/standup;jwt={}", "in the path, behind `;jwt=`"),
        ("/standup/{}", "as a segment of its own"),
        ("/standup%3Fjwt={}", "question mark before the token is percent-encoded (%3F)"),
        ("/standup%3fjwt%3D{}", "question mark before the token is percent-encoded (%3F)"),
        ("/standup?lang=de&amp;jwt={}", "as in HTML, &amp;"),
        ("/standup?amp;jwt={}", "as in HTML, &amp;"),
        ("/standup??jwt={}", "a second mark"),
        ("/standup?JWT={}", "in the parameter `JWT`, where it does not count"),
        ("/standup?Token={}", "in the parameter `Token`, where it does not count"),
        ("/standup?access_token={}", "in the parameter `access_token`, which no part"),
        ("/standup?jwt[]={}", "in the parameter `jwt[]`, which no part"),
        ("/standup?lang=de?jwt={}", "behind `?jwt=` within the parameter `lang`"),
        ("/standup?lang=de%26jwt={}", "behind `&jwt=` within the parameter `lang`"),
        ("/standup?lang=de;jwt={}", "behind `;jwt=` within the parameter `lang`"),
        ("/standup?jwt%3D{}", "equals sign before the token is percent-encoded"),
        ("/standup?jwt:{}", "an equals sign is missing"),
        ("/standup?{}", "without a parameter's name"),
    ],
)
def test_token_in_the_wrong_place_of_a_link_is_found(link: str, words: str) -> None:
    explanation = explain_link(HOST + link.format(TOKEN))
    assert explanation.code == "token-missing"
    cause, cure = explanation.cause_and_cure
    assert words in cause
    assert "jwt=TOKEN" in cure


@pytest.mark.parametrize("prefix", ["/standup", "meet.example.org/standup"])
def test_link_without_scheme_is_read_too(prefix: str) -> None:
    for link in ("&jwt={}", "?JWT={}", "#config.x=1?jwt={}"):
        explanation = explain_link(prefix + link.format(TOKEN))
        assert explanation.cause_and_cure[0].startswith("The token stands in"), link


def test_stray_token_is_a_note_if_the_link_is_denied_for_another_reason() -> None:
    explanation = explain_link(f"{HOST}/#access_token={TOKEN}")
    assert explanation.code == "token-missing"
    assert "The link names no room." in explanation.notes


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("/my room?jwt={}", "A blank stands in the link, behind `/my`"),
        ("/standup ?jwt={}", "A blank stands in the link, behind `/standup`"),
        ("/stand\nup?jwt={}", "A line break stands in the link"),
        ("/stand\xa0up?jwt={}", "A no-break space stands in the link"),
        ("/standup/?jwt={}", "A slash stands behind the room, `/standup`"),
        ("/acme/standup/?jwt={}", "A slash stands behind the room"),
        ("/?jwt={}", "names no room"),
        ("?jwt={}", "names no room"),
        ("/a//b?jwt={}", "Two slashes"),
        ("/a/b/c?jwt={}", "has 3 names"),
        ("/a%2Fb?jwt={}", "slash in percent-encoding"),
        ("/a/../b?jwt={}", "dot segment"),
        ("/http-bind?token={}", "has no parameter room"),
        ("/http-bind?room=&token={}", "parameter room is empty"),
    ],
)
def test_reason_why_a_link_names_no_room_is_found(link: str, words: str) -> None:
    explanation = explain_link(HOST + link.format(TOKEN))
    assert explanation.code == "room-address-invalid"
    assert words in explanation.cause_and_cure[0]
    assert explanation.cause_and_cure[1]


@pytest.mark.parametrize("room", ["standup%20", "%20standup", "stand\u200bup", "standup%E2%80%8B"])
def test_invisible_part_of_a_room_is_named(room: str) -> None:
    explanation = explain_link(f"{HOST}/{room}?jwt={TOKEN}")
    assert explanation.code == "room-mismatch"
    assert "stands in the room's name in the link" in explanation.cause_and_cure[0]


@pytest.mark.parametrize(
    "link",
    [
        "jitsi-meet://meet.example.org/standup?jwt={}",
        "org.jitsi.meet://meet.example.org/standup?jwt={}",
        "org.jitsi.meet:https://meet.example.org/standup?jwt={}",
        "jitsi-meet://https://meet.example.org/standup?jwt={}",
        "com.example.meetings://meet.example.org/standup?jwt={}",
        "intent://meet.example.org/standup?jwt={}#Intent;scheme=org.jitsi.meet;end",
    ],
)
def test_links_of_apps_are_read_as_https(link: str) -> None:
    explanation = explain_link(link.format(TOKEN))
    assert explanation.allowed
    assert "opens an app; it was read as https:" in explanation.notes[0]


@pytest.mark.parametrize("link", ["ftp://m/x", "file:///x", "mailto://m/x", "javascript://m/x"])
def test_schemes_of_other_programs_are_refused(link: str) -> None:
    with pytest.raises(UnreadableError, match="expected an http or https URL"):
        PastedInput().read(link)


@pytest.mark.parametrize(
    "text",
    [
        "Join here: https://meet.example.org/standup?jwt={}.",
        "[join](https://meet.example.org/standup?jwt={})",
        '<a href="https://meet.example.org/standup?lang=de&amp;jwt={}">join</a>',
        '{{"url": "https://meet.example.org/standup?jwt={}"}}',
        "curl -H 'Authorization: Bearer {}' https://meet.example.org/standup",
    ],
)
def test_link_within_other_text_is_found(text: str) -> None:
    explanation = explain_link(text.format(TOKEN))
    assert explanation.allowed
    assert any("taken out of the text" in note for note in explanation.notes)


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        ("%2F", "Behind the token stands `/`: put the room before the question mark"),
        ("/standup", "Behind the token stands `/standup`: put the room before"),
        (",", "Behind the token stands `,`"),
        (".", "Behind the token stands `.`"),
        ("%22", 'Behind the token stands `"`'),
        (")", "Behind the token stands `)`"),
        ("</a>", "Behind the token stands `</a>`"),
        ("?room=x", "Behind the token stands `?room=x`: a link has one question mark"),
        ("%20", "A blank stands behind the token"),
        ("%0A", "A blank stands behind the token"),
    ],
)
def test_text_behind_a_token_is_shown(tail: str, words: str) -> None:
    explanation = explain_link(f"{HOST}/standup?jwt={TOKEN}{tail}")
    assert explanation.code == "token-malformed"
    assert explanation.cause_and_cure[0].startswith(words)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("b'{}'", "Python's bytes"),
        ("%22{}%22", "Something stands around the token"),
        ("Bearer%20{}", "Something stands around the token"),
        ("={}", "In front of the token stands `=`"),
        ("%20{}", "A blank stands in front of the token"),
    ],
)
def test_wrapped_token_in_a_link_is_decided_as_it_is(value: str, words: str) -> None:
    explanation = explain_link(f"{HOST}/standup?jwt={value.format(TOKEN)}")
    assert not explanation.allowed
    assert words in explanation.cause_and_cure[0]


@pytest.mark.parametrize("word", ["undefined", "null", "[object Object]", "%7B%7Bjwt%7D%7D"])
def test_word_in_place_of_a_token_is_named(word: str) -> None:
    explanation = explain_link(f"{HOST}/standup?jwt={word}")
    assert "the program that made the link had no token" in explanation.cause_and_cure[0]


def test_token_that_is_there_twice_stands_in_its_place() -> None:
    pasted = PastedInput()
    pasted.read(f"{HOST}/standup?jwt={TOKEN}&jwt={TOKEN}")
    explanation = add_pasted(explain_ambiguity(pasted.ambiguity), pasted)
    assert explanation.code == "ambiguous-request"
    assert not any("does not count" in note for note in explanation.notes)


@pytest.mark.parametrize(
    "text", ["/standup/{} x", "/{}%0A/x", "/standup&jwt={}\tx", "/a/{}/b\u200b/"]
)
def test_end_of_a_token_in_the_path_is_not_shown(text: str) -> None:
    explanation = explain_link(HOST + text.format(TOKEN))
    assert TOKEN[-12:] not in repr(explanation)
    assert TOKEN[-12:].lower() not in repr(explanation).lower()


def test_piece_of_a_token_in_the_path_is_not_shown() -> None:
    broken = f"{TOKEN[:-50]}> {TOKEN[-50:]}"
    assert TOKEN[-80:-56] not in repr(explain_link(f"{HOST}/standup/{broken}"))
    assert "`/WeeklyEngineeringMeeting`" in repr(explain_link(f"{HOST}/WeeklyEngineeringMeeting x"))
