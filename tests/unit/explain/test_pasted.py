"""Pasted texts are read as the service reads them; a more lenient reading has a note."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.explanations import PLAIN, POLICY, signed
from verifier.explain import PastedInput, UnreadableError, unwrap

TOKEN = signed()
ADDRESS = "standup@conference.meet.jitsi"


def read(text: str) -> PastedInput:
    found = PastedInput()
    found.read(text)
    return found


@pytest.mark.parametrize(
    "pasted",
    [
        "https://meet.example.org/standup?jwt={}",
        "  https://meet.example.org/StandUp?lang=de&jwt={}#config.x=1\n",
        '"https://meet.example.org/standup?jwt={}"',
        "<https://meet.example.org/standup#jwt={}>",
        "meet.example.org/standup?jwt={}",
        "/standup?jwt={}",
        "wss://meet.example.org/xmpp-websocket?room=standup&token={}",
        "WS://meet.example.org/xmpp-websocket?room=standup&token={}",
        "https://meet.example.org/http-bind?room=standup&token={}",
        'https://meet.example.org/standup#jwt="{}"&config.x=1',
        "http://127.0.0.1:8090/ext-authz/standup?jwt={}",
    ],
)
def test_token_and_room_are_read_from_a_url(pasted: str) -> None:
    found = read(pasted.format(TOKEN))
    assert found.token == TOKEN
    assert found.request(None, POLICY).room_jid == ADDRESS
    assert found.request("", POLICY).token == TOKEN


@pytest.mark.parametrize("pasted", ["{}", " {}\n", "Bearer {}", '"{}"', "'Bearer {}'"])
def test_wrapped_token_is_read(pasted: str) -> None:
    found = read(pasted.format(TOKEN))
    assert (found.token, found.url) == (TOKEN, None)
    request = found.request(None, POLICY)
    assert (request.token, request.room_jid) == (TOKEN, None)
    assert "No room was given, so only the token was checked." in found.notes


@pytest.mark.parametrize(
    ("room", "address"),
    [
        ("standup", ADDRESS),
        (" Team Sync ", "team%20sync@conference.meet.jitsi"),
        ("acme/standup", "[acme]standup@conference.meet.jitsi"),
        ("[acme]standup@muc.example.org", "[acme]standup@muc.example.org"),
    ],
)
def test_typed_rooms_are_read(room: str, address: str) -> None:
    found = read(f"https://meet.example.org/retro?jwt={TOKEN}")
    request = found.request(room, POLICY)
    assert request.room_jid == address
    assert request.query_prefix == ("acme" if "acme" in address else "")


def test_clients_spelling_of_a_room_is_noted() -> None:
    found = read(TOKEN)
    found.request("Team Sync", POLICY)
    assert found.notes == ['To the web client the room is "team%20sync".']


@pytest.mark.parametrize("room", ["?#", "/", "a/b/c", "a?b/c", "http-bind/x"])
def test_room_that_no_client_sends_is_refused(room: str) -> None:
    with pytest.raises(UnreadableError, match="expected"):
        read(TOKEN).request(room, POLICY)


@pytest.mark.parametrize("url", ["ftp://x/y", "https://user:secret@x/y", "https://", "http://[/x"])
def test_impossible_url_is_refused_without_quoting(url: str) -> None:
    with pytest.raises(UnreadableError, match="expected an http or https URL") as refusal:
        read(url)
    assert "secret" not in str(refusal.value)


def test_two_readings_of_a_url_are_reported() -> None:
    other = signed(sub="*")
    assert read(f"https://m/standup?jwt={TOKEN}&jwt={TOKEN}").ambiguity
    assert read(f"https://m/standup?jwt={TOKEN}&token={other}").ambiguity == (
        "two tokens that differ"
    )
    found = read(f"https://m/standup?jwt={TOKEN}#jwt={other}")
    assert (found.token, found.ambiguity) == (TOKEN, "")
    assert "another token in its fragment" in found.notes[0]


def test_own_ext_authz_endpoint_is_skipped() -> None:
    found = read(f"http://127.0.0.1:8090/ext-authz/acme/standup?jwt={TOKEN}")
    assert found.request(None, POLICY).room_jid == "[acme]standup@conference.meet.jitsi"
    assert "in the path after" in found.notes[0]
    assert read(f"http://127.0.0.1/ext-authzx/standup?jwt={TOKEN}").notes == []


def test_room_without_configured_muc_domain() -> None:
    policy = replace(PLAIN, muc_mapper_domain_base=None, muc_mapper_domain=None)
    assert read(TOKEN).request("standup", policy).room_jid == "standup@conference"


def test_repr_hides_the_token() -> None:
    assert TOKEN not in repr(read(f"https://m/standup?jwt={TOKEN}"))


@pytest.mark.parametrize(
    "wrapped",
    [
        "Bearer a.b.c",
        "bearer  a.b.c",
        "Authorization: Bearer a.b.c",
        '"a.b.c"',
        "'a.b.c'",
        '"Bearer a.b.c"',
        ' Bearer "a.b.c" \n',
    ],
)
def test_token_is_unwrapped_with_a_note(wrapped: str) -> None:
    token, note = unwrap(wrapped)
    assert token == "a.b.c"
    assert note is not None
    assert "would refuse" in note


@pytest.mark.parametrize("bare", ["a.b.c", " a.b.c\n", "", '"', "Bearer", '"a.b.c', "a b"])
def test_only_outer_blanks_are_removed_without_wrapping(bare: str) -> None:
    assert unwrap(bare) == (bare.strip(), None)


def test_excessive_wrapping_is_left_on() -> None:
    token, note = unwrap('"' * 60_000)
    assert token == '"' * (60_000 - 8)
    assert note is not None
