"""What people paste is read as the gate reads it, or more kindly, and then it is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.explanations import PLAIN, POLICY, signed
from verifier.explain import PastedInput, UnreadableError

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
def test_a_url_has_token_and_room_in_it(pasted: str) -> None:
    found = read(pasted.format(TOKEN))
    assert found.token == TOKEN
    assert found.request(None, POLICY).room_jid == ADDRESS
    assert found.request("", POLICY).token == TOKEN


@pytest.mark.parametrize("pasted", ["{}", " {}\n", "Bearer {}", '"{}"', "'Bearer {}'"])
def test_a_token_is_taken_as_it_is_wrapped(pasted: str) -> None:
    found = read(pasted.format(TOKEN))
    assert (found.token, found.url) == (TOKEN, None)
    request = found.request(None, POLICY)
    assert (request.token, request.room_jid) == (TOKEN, None)
    assert "No room was given, so only the token was judged." in found.notes


@pytest.mark.parametrize(
    ("room", "address"),
    [
        ("standup", ADDRESS),
        (" Team Sync ", "team%20sync@conference.meet.jitsi"),
        ("acme/standup", "[acme]standup@conference.meet.jitsi"),
        ("[acme]standup@muc.example.org", "[acme]standup@muc.example.org"),
    ],
)
def test_a_room_is_typed_in_several_ways(room: str, address: str) -> None:
    found = read(f"https://meet.example.org/retro?jwt={TOKEN}")
    request = found.request(room, POLICY)
    assert request.room_jid == address
    assert request.query_prefix == ("acme" if "acme" in address else "")


def test_the_rooms_spelling_is_shown_where_clients_send_another() -> None:
    found = read(TOKEN)
    found.request("Team Sync", POLICY)
    assert found.notes == ['To the web client the room is "team%20sync".']


@pytest.mark.parametrize("room", ["?#", "/", "a/b/c", "a?b/c", "http-bind/x"])
def test_a_room_that_no_client_could_send_is_none(room: str) -> None:
    with pytest.raises(UnreadableError, match="expected"):
        read(TOKEN).request(room, POLICY)


@pytest.mark.parametrize("url", ["ftp://x/y", "https://user:secret@x/y", "https://", "http://[/x"])
def test_a_url_that_no_client_could_ask_for_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(UnreadableError, match="expected an http or https URL") as refusal:
        read(url)
    assert "secret" not in str(refusal.value)


def test_what_can_be_read_in_two_ways_is_said() -> None:
    other = signed(sub="*")
    assert read(f"https://m/standup?jwt={TOKEN}&jwt={TOKEN}").ambiguity
    assert read(f"https://m/standup?jwt={TOKEN}&token={other}").ambiguity == (
        "two tokens that differ"
    )
    found = read(f"https://m/standup?jwt={TOKEN}#jwt={other}")
    assert (found.token, found.ambiguity) == (TOKEN, "")
    assert "another token in its fragment" in found.notes[0]


def test_the_own_endpoint_is_read_as_envoy_asks_it_and_only_with_a_target_behind() -> None:
    found = read(f"http://127.0.0.1:8090/ext-authz/acme/standup?jwt={TOKEN}")
    assert found.request(None, POLICY).room_jid == "[acme]standup@conference.meet.jitsi"
    assert "what stands behind" in found.notes[0]
    assert read(f"http://127.0.0.1/ext-authzx/standup?jwt={TOKEN}").notes == []


def test_without_a_muc_domain_any_will_do() -> None:
    policy = replace(PLAIN, muc_mapper_domain_base=None, muc_mapper_domain=None)
    assert read(TOKEN).request("standup", policy).room_jid == "standup@conference"


def test_no_repr_shows_a_token() -> None:
    assert TOKEN not in repr(read(f"https://m/standup?jwt={TOKEN}"))
