"""The ``explain`` command: its arguments, its text and its JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.support.access_logs import key_server
from tests.support.commands import Run
from tests.support.tokens import SECRET, present, segment, sign

PAGE = "https://meet.example.org/standup"
STEP = {"name", "result", "expected", "found", "cure"}


def token(
    key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **claims: Any
) -> str:
    usual = {
        "iss": "app",
        "aud": "jitsi",
        "sub": "meet.jitsi",
        "room": "standup",
        "exp": int(time.time()) + 11_000,
        "context": {"user": {"id": "7"}},
    }
    header = {} if kid is None else {"kid": kid}
    return sign(present(usual | claims), header, key=key, algorithm=algorithm)


def test_json_has_the_agreed_members(run: Run) -> None:
    outcome = run("explain", token(), "--room", "standup", "--json")
    assert (outcome.status, outcome.err) == (0, "")
    explanation = outcome.json
    assert list(explanation) == ["allowed", "code", "steps", "prosody", "notes"]
    assert (explanation["allowed"], explanation["code"]) == (True, None)
    assert explanation["prosody"] == {"error": None, "reason": None}
    assert explanation["notes"] == []
    assert all(set(step) == STEP for step in explanation["steps"])


def test_json_of_a_denial_names_step_and_suggestion(run: Run) -> None:
    outcome = run("explain", token(iss="other"), "--json")
    assert (outcome.status, outcome.json["code"]) == (1, "issuer-not-accepted")
    assert outcome.json["prosody"] == {"error": "not-allowed", "reason": "invalid 'iss' claim"}
    (failed,) = [step for step in outcome.json["steps"] if step["result"] == "fail"]
    assert (failed["name"], failed["expected"], failed["found"]) == ("issuer", "app", "other")
    assert "JWT_ACCEPTED_ISSUERS" in failed["cure"]


def test_text_has_steps_decision_suggestion_and_notes(run: Run) -> None:
    lines = run("explain", token(moderator=True), "--room", "retro").out.splitlines()
    assert lines[0] == "This token is for the room standup; the link opens retro."
    assert lines[1].startswith('To change: Set room to "retro"')
    assert lines[2] == "denied: room-mismatch"
    assert lines[3] == "Prosody would say: not-allowed: Room and token mismatched"
    assert lines[4].startswith("Note: moderator is at the top level")
    steps = lines[lines.index("") + 1 :]
    assert steps[0] == "✓ token"
    assert any(line.startswith("✗ room ") and "found retro" in line for line in steps)
    assert any(line.startswith("· domain ") and "not reached" in line for line in steps)


def test_text_shows_expiry_in_utc(run: Run) -> None:
    out = run("explain", token(exp=1_750_010_000), "--now", "1750000000").out
    assert "1750010000 (2025-06-15 17:53:20 UTC, expires in 3 h)" in out


def test_decision_time_is_an_argument(run: Run) -> None:
    past = token(exp=1_750_000_000)
    assert run("explain", past, "--now", "1749999999").status == 0
    outcome = run("explain", past, "--now", "1750000000")
    assert "denied: token-expired" in outcome.out
    assert run("explain", past, "--now", "tomorrow").status == 2
    assert run("explain", past, "--now", "inf").status == 2


def test_token_is_read_from_standard_input(run: Run) -> None:
    assert run("explain", "-", "--room", "standup", stdin=f"{token()}\n".encode()).status == 0
    url = f"{PAGE}?jwt={token()}\n"
    assert run("explain", "-", stdin=url.encode()).status == 0
    assert "token-malformed" in run("explain", "-", stdin=b"\xff\xfe").out
    assert "token-malformed" in run("explain", "-").out


@pytest.mark.parametrize(
    "url",
    [
        "https://meet.example.org/standup?jwt={}",
        "https://meet.example.org/StandUp?lang=de&jwt={}#config.x=1",
        "https://meet.example.org/http-bind?room=standup&token={}",
        "wss://meet.example.org/xmpp-websocket?room=standup&token={}",
        "meet.example.org/standup?jwt={}",
        "/standup?jwt={}",
        "https://meet.example.org/standup#jwt={}",
        'https://meet.example.org/standup#jwt="{}"&config.x=1',
    ],
)
def test_url_contains_token_and_room(run: Run, url: str) -> None:
    outcome = run("explain", url.format(token()).replace("wss:", "https:"))
    assert outcome.status == 0, outcome.out
    assert "standup@conference.meet.jitsi" in outcome.out
    assert ("no proxy ever sees" in outcome.out) == ("#jwt" in url)


def test_url_without_token_is_a_guest(run: Run) -> None:
    assert "denied: token-missing" in run("explain", PAGE).out
    assert "denied: token-missing" in run("explain", "--room", "standup").out


def test_url_without_room_is_denied(run: Run) -> None:
    outcome = run("explain", f"https://meet.example.org/?jwt={token()}")
    assert "denied: room-address-invalid" in outcome.out


@pytest.mark.parametrize(
    "query",
    ["jwt={0}&jwt={0}", "jwt={0}&token={1}", "room=a&room=b&token={0}"],
)
def test_url_with_two_readings_is_denied(run: Run, query: str) -> None:
    outcome = run("explain", f"{PAGE}?{query.format(token(), token(sub='*'))}", "--json")
    assert (outcome.status, outcome.json["code"]) == (1, "ambiguous-request")
    assert outcome.json["steps"][0]["name"] == "request"


def test_different_token_in_fragment_is_noted(run: Run) -> None:
    outcome = run("explain", f"{PAGE}?jwt={token()}#jwt={token(room='retro')}")
    assert outcome.status == 0
    assert "another token in its fragment" in outcome.out


def test_room_is_given_beside_the_token(run: Run) -> None:
    assert run("explain", token(), "--url", PAGE).status == 0
    assert run("explain", token(), "--room-jid", "standup@conference.meet.jitsi").status == 0
    assert run("explain", token(sub="acme"), "--room", "standup", "--tenant", "acme").status == 0
    tenant = "[acme]standup@conference.meet.jitsi"
    assert run("explain", token(sub="acme"), "--room-jid", tenant).status == 0
    assert "tenant-mismatch" in run("explain", token(), "--room-jid", tenant).out
    other = run("explain", token(), "--url", f"{PAGE}?jwt={token(sub='*')}")
    assert (other.status, "another token" in other.out) == (0, True)


def test_room_is_shown_in_the_clients_spelling(run: Run) -> None:
    out = run("explain", token(room="Team Sync"), "--room", "Team Sync").out
    assert 'the room is "team%20sync"' in out
    assert 'Write room as "team%20sync" instead of "Team Sync"' in out


def test_token_without_room_is_noted(run: Run) -> None:
    out = run("explain", token()).out
    assert "allowed" in out
    assert "only the token was checked" in out


@pytest.mark.parametrize("wrapped", ["Bearer {}", '"{}"', "'{}'"])
def test_wrapping_is_removed_with_a_note(run: Run, wrapped: str) -> None:
    outcome = run("explain", wrapped.format(token()), "--room", "standup")
    assert outcome.status == 0
    assert "the service itself would refuse the token" in outcome.out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--tenant", "acme"],
        ["a.b.c", "--tenant", "acme", "--url", PAGE],
        ["a.b.c", "--url", PAGE, "--room", "x"],
        ["a.b.c", "--url", "nothing at all"],
        ["ftp://meet.example.org/standup"],
        ["https://user:pass@meet.example.org/standup"],
        ["a.b.c", "--room", "?#"],
        ["a.b.c", "--room", ""],
        ["a.b.c", "--room", "x", "--tenant", "a/b"],
        ["a.b.c", "--room", "x", "--tenant", "a?b"],
        ["a.b.c", "--room", "x", "--tenant", "http-bind"],
    ],
)
def test_impossible_arguments_are_usage_errors(run: Run, arguments: list[str]) -> None:
    outcome = run("explain", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert "expected" in outcome.err or "not allowed with" in outcome.err or "needs" in outcome.err


def test_keys_are_fetched_as_in_the_service(run: Run, configured: Callable[..., None]) -> None:
    private = rsa.generate_private_key(65537, 2048)
    jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True) | {"kid": "k-1"}
    signed = {kid: token(private, "RS256", kid) for kid in ("k-1", "k-2")}
    with key_server(200, json.dumps({"keys": [jwk]}).encode()) as (url, _):
        configured(JWT_APP_ID="app", JWT_CACHE_KEYS_URL=url)
        assert run("explain", signed["k-1"]).status == 0
        outcome = run("explain", signed["k-2"])
    assert "denied: key-unknown" in outcome.out
    assert "Key ids from document: k-1" in outcome.out
    assert outcome.err == ""


@pytest.mark.slow
def test_unfetchable_keys_name_the_reason(run: Run, configured: Callable[..., None]) -> None:
    signed = token(rsa.generate_private_key(65537, 2048), "RS256", "k-1")
    with key_server(500, b"") as (url, _):
        configured(JWT_APP_ID="app", JWT_CACHE_KEYS_URL=url)
        outcome = run("explain", signed)
    assert (outcome.status, outcome.err) == (1, "")
    assert "denied: keys-unavailable" in outcome.out
    assert "Key source document: " in outcome.out
    assert "500" in outcome.out


def test_public_keys_of_the_configuration_file(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    private = rsa.generate_private_key(65537, 2048)
    jwk = RSAAlgorithm.to_jwk(private.public_key())
    config = tmp_path / "verifier.toml"
    config.write_text(f"app_id = 'app'\n[public_keys]\nk-1 = '{jwk}'\n")
    configured()
    assert run("explain", token(private, "RS256", "k-1"), "--config", str(config)).status == 0
    assert run("explain", token(private, "RS256", "k-2"), "--config", str(config)).status == 1


def test_missing_configuration_file_exits_with_78(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    outcome = run("explain", token(), "--config", str(missing))
    assert (outcome.status, outcome.out) == (78, "")
    assert "missing.toml" in outcome.err


def test_new_room_needs_a_moderator_under_the_policy(
    run: Run, configured: Callable[..., None]
) -> None:
    configured(
        JWT_APP_ID="app",
        JWT_APP_SECRET=SECRET,
        XMPP_DOMAIN="meet.jitsi",
        VERIFIER_POLICY_MODERATORS_CREATE_ROOMS="1",
    )
    assert run("explain", token(), "--room", "standup").status == 0
    outcome = run("explain", token(), "--room", "standup", "--new-room", "--json")
    assert (outcome.status, outcome.json["code"]) == (1, "policy-moderator-required")
    (failed,) = (step for step in outcome.json["steps"] if step["result"] == "fail")
    assert (failed["name"], failed["expected"]) == ("policy: new room", "a moderator")
    assert outcome.json["prosody"]["reason"] == "only a moderator may open this room"


def cut(length: int) -> str:
    """Return a token whose signature has only so many characters."""
    signing_input, _, signature = token().rpartition(".")
    return f"{signing_input}.{signature[:length]}"


@pytest.mark.parametrize(
    ("pasted", "cause"),
    [
        (f"{PAGE}?jwt={{}}/standup", "Behind the token stands `/standup`: put the room before the"),
        (f"{PAGE}#config.x=1?jwt={{}}", "The token stands in the fragment, behind `#config.x=1?"),
        (f"{PAGE}?JWT={{}}", "The token stands in the parameter `JWT`, where it does not count"),
        (f"{PAGE}/?jwt={{}}", "A slash stands behind the room, `/standup`."),
        ("jitsi-meet://meet.example.org/retro?jwt={}", "This token is for the room standup;"),
    ],
)
def test_first_line_is_the_cause_of_a_mistake_in_a_link(run: Run, pasted: str, cause: str) -> None:
    outcome = run("explain", pasted.format(token()))
    assert outcome.status == 1
    assert outcome.out.splitlines()[0].startswith(cause)
    assert outcome.out.splitlines()[1].startswith("To change: ")


def test_first_line_is_the_cause_of_a_mistake_in_a_token(run: Run) -> None:
    wrapped = sign({"context": {"iss": "app", "aud": "jitsi"}})
    assert run("explain", wrapped).out.startswith(
        "The claim iss stands within context: one bracket"
    )
    assert run("explain", cut(23)).out.startswith("The signature has 17 of 32 bytes: the link was")
    unsigned = f"{segment({'typ': 'JWT', 'alg': 'none'})}.{token().split('.')[1]}."
    assert run("explain", unsigned).out.startswith("The token is unsigned")
    assert "sign with app_secret" in run("explain", unsigned).out


def test_wrapped_token_is_explained_as_itself(run: Run) -> None:
    bytes_of_python = run("explain", f"b'{token()}'", "--room", "standup")
    assert (bytes_of_python.status, "Python's bytes: decode" in bytes_of_python.out) == (0, True)
    for wrapped in ("jwt={}", "jwt: '{}',", '{{"jwt":"{}"}}', "?jwt={}"):
        outcome = run("explain", wrapped.format(token()), "--room", "standup")
        assert (outcome.status, "was taken out of the text" in outcome.out) == (0, True), wrapped


def test_empty_list_and_truthy_features_are_explained(run: Run) -> None:
    php = run("explain", token(context={"user": [], "features": []}), "--room", "standup")
    assert (php.status, "PHP's empty array" in php.out) == (0, True)
    features = {"recording": 1, "livestreaming": "yes"}
    outcome = run("explain", token(context={"features": features}), "--room", "standup")
    assert '1 and "yes" switch nothing on' in outcome.out


def test_host_of_the_url_chooses_its_table(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "hosts.toml"
    config.write_text(
        f'app_id = "app"\napp_secret = "{SECRET}"\nstrict_hosts = true\n'
        f'[hosts."meet.clinic.example"]\napp_id = "booking"\napp_secret = "{"c" * 32}"\n'
    )
    booking = token("c" * 32, iss="booking")
    link = f"https://Meet.Clinic.example:443/standup?jwt={booking}"
    assert run("explain", link, "--config", str(config)).status == 0
    url = "https://meet.clinic.example/standup"
    assert run("explain", booking, "--url", url, "--config", str(config)).status == 0
    elsewhere = run("explain", f"{PAGE}?jwt={booking}", "--json", "--config", str(config))
    assert (elsewhere.status, elsewhere.json["code"]) == (1, "domain-mismatch")
    without = run("explain", token(), "--json", "--config", str(config))
    assert without.status == 0
    assert "No host was given" in without.json["notes"][0]


@pytest.mark.parametrize(
    "room", ["acme/standup", "https://meet.example.org/acme/standup", "/acme/standup"]
)
def test_room_may_have_its_tenant_or_be_a_link(run: Run, room: str) -> None:
    outcome = run("explain", token(sub="acme"), "--room", room, "--json")
    address = next(step for step in outcome.json["steps"] if step["name"] == "room address")
    assert (outcome.status, address["found"]) == (0, "[acme]standup@conference.meet.jitsi")
