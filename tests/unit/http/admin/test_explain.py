"""``POST /v1/explain``: what is pasted, which host's rules apply, and what the response shows."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import RunningVerifier, get, running_verifier
from tests.support.tokens import SECRET, segment, sign

CLINIC = "clinic-secret-" + "c" * 32
CONFIG = f"""
app_id = "app"
app_secret = "{SECRET}"
enable_domain_verification = false

[hosts."meet.clinic.example"]
app_id = "booking"
app_secret = "{CLINIC}"
policy.moderators_create_rooms = true
"""


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    folder = tmp_path_factory.mktemp("explaining")
    (folder / "verifier.toml").write_text(CONFIG)
    with running_verifier(folder, folder / "verifier.toml") as running:
        yield running
    assert "eyJ" not in running.log


def mint(issuer: str = "app", secret: str = SECRET, **claims: Any) -> str:
    usual = {"iss": issuer, "aud": "jitsi", "sub": "x", "room": "standup", "exp": 4_000_000_000}
    return sign(usual | claims, key=secret)


def explain(verifier: RunningVerifier, **members: Any) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", verifier.admin, timeout=10)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/explain", json.dumps(members), headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer


def test_the_response_holds_the_explanation_and_the_token(verifier: RunningVerifier) -> None:
    context = {"user": {"moderator": True}, "features": {"recording": True}}
    token = mint(context=context)
    status, answer = explain(verifier, pasted=token, room="standup", now=1_900_000_000)
    assert (status, answer["allowed"]) == (200, True)
    assert list(answer) == [
        *("allowed", "code", "steps", "prosody", "notes"),
        *("now", "host", "room_jid", "token", "mode"),
    ]
    assert (answer["now"], answer["host"], answer["mode"]) == (1_900_000_000, None, "enforce")
    assert answer["room_jid"] == "standup@conference"
    assert answer["token"] == {
        "header": {"typ": "JWT", "alg": "HS256"},
        "claims": {
            "iss": "app",
            "aud": "jitsi",
            "sub": "x",
            "room": "standup",
            "exp": 4_000_000_000,
            "context": context,
        },
        "issued_at": None,
        "not_before": None,
        "expires": 4_000_000_000,
        "moderator": True,
        "features": {"recording": True},
        "verified": True,
    }
    assert token.rpartition(".")[2] not in json.dumps(answer)


def test_a_forged_token_is_shown_as_unverified(verifier: RunningVerifier) -> None:
    _, answer = explain(verifier, pasted=mint(secret=CLINIC))
    assert (answer["code"], answer["token"]["verified"]) == ("signature-invalid", False)
    assert answer["token"]["claims"]["iss"] == "app"


def test_a_guest_has_no_token(verifier: RunningVerifier) -> None:
    for members in ({"room": "standup"}, {"pasted": "https://m/standup"}, {"pasted": ""}):
        _, answer = explain(verifier, **members)
        assert (answer["code"], answer["token"]) == ("token-missing", None)


def test_a_given_room_overrides_the_urls(verifier: RunningVerifier) -> None:
    url = f"https://meet.example.org/retro?jwt={mint()}"
    assert explain(verifier, pasted=url)[1]["code"] == "room-mismatch"
    for room in ("standup", "https://other.example/standup", "/standup", "standup@muc.x"):
        assert explain(verifier, pasted=url, room=room)[1]["allowed"] is True, room
    assert explain(verifier, room=f"https://m/standup?jwt={mint()}")[1]["allowed"] is True


def test_the_host_is_given_or_the_urls(verifier: RunningVerifier) -> None:
    token = mint("booking", CLINIC)
    named = explain(verifier, pasted=token, host="Meet.Clinic.example:443")[1]
    assert (named["allowed"], named["host"]) == (True, "meet.clinic.example")
    url = explain(verifier, pasted=f"https://meet.clinic.example/standup?jwt={token}")[1]
    assert (url["allowed"], url["host"]) == (True, "meet.clinic.example")
    default = explain(verifier, pasted=token)[1]
    assert (default["code"], default["host"]) == ("signature-invalid", None)


def test_the_configured_hosts_are_listed(verifier: RunningVerifier) -> None:
    answer = get(verifier.admin, "/v1/hosts")
    assert (answer.status, answer.json) == (
        200,
        {"hosts": ["meet.clinic.example"], "strict": False},
    )


def test_strict_hosts_are_explained(tmp_path: Path) -> None:
    (tmp_path / "verifier.toml").write_text(f"strict_hosts = true\n{CONFIG}")
    with running_verifier(tmp_path, tmp_path / "verifier.toml") as strict:
        _, answer = explain(strict, pasted=f"https://elsewhere.example/standup?jwt={mint()}")
        assert answer["code"] == "domain-mismatch"
        assert (answer["steps"][0]["name"], answer["steps"][0]["result"]) == ("request", "fail")
        assert "elsewhere.example" in answer["steps"][0]["cure"]
        relative = explain(strict, pasted=f"/standup?jwt={mint()}")[1]
        assert relative["allowed"] is True
        assert "No host was given" in relative["notes"][0]
        assert get(strict.admin, "/v1/hosts").json["strict"] is True
        assert get(strict.port, "/ext-authz/standup", {"Host": "elsewhere.example"}).code == (
            "domain-mismatch"
        )


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"pasted": 5}, "pasted"),
        ({"room": []}, "room"),
        ({"host": True}, "host"),
        ({"pasted": "a", "token": "b"}, "token"),
        ({"pasted": "a", "url": "https://m/x"}, "url"),
        ({"token": "a", "room": "x", "room_jid": "x@y"}, "room_jid"),
        ({"pasted": "https://user:secret@x/y"}, "pasted"),
        ({"token": "a", "url": "nothing at all"}, "url"),
        ({"pasted": "a", "room": "?#"}, "room"),
        ({"pasted": "a", "room": "ftp://x/y"}, "room"),
    ],
)
def test_a_malformed_body_is_refused_naming_the_member(
    verifier: RunningVerifier, members: dict[str, Any], member: str
) -> None:
    status, problem = explain(verifier, **members)
    assert (status, problem["status"]) == (400, 400)
    assert problem["detail"].startswith(f"{member}: expected ")
    assert "secret" not in problem["detail"]


@pytest.mark.parametrize("token", ["x", "a.b", "eyJ" * 5000, ".." * 400, "\u202e", '{"a":1}'])
def test_any_text_as_a_token_is_explained(verifier: RunningVerifier, token: str) -> None:
    status, answer = explain(verifier, pasted=token)
    assert (status, answer["code"]) == (200, "token-malformed")
    assert answer["token"]["claims"] is None


def cause(answer: Any) -> str:
    (found,) = [step["cure"] for step in answer["steps"] if step["cure"]]
    return str(found)


@pytest.mark.parametrize(
    ("pasted", "code", "words"),
    [
        ("https://m/standup?jwt={}%2F", "token-malformed", "Behind the token stands `/`: put the"),
        (
            "https://m/standup#config.x=1?jwt={}",
            "token-missing",
            "The token stands in the fragment",
        ),
        (
            "https://m/standup&jwt={}",
            "token-missing",
            "The token stands in the path, behind `&jwt=",
        ),
        ("https://m/standup?a=b&amp;jwt={}", "token-missing", "as in HTML, &amp;"),
        ("https://m/my room?jwt={}", "room-address-invalid", "A blank stands in the link"),
        ("https://m/standup/?jwt={}", "room-address-invalid", "A slash stands behind the room"),
        ("org.jitsi.meet://m/retro?jwt={}", "room-mismatch", "the room standup; the link opens"),
    ],
)
def test_mistakes_in_links_are_named(
    verifier: RunningVerifier, pasted: str, code: str, words: str
) -> None:
    token = mint()
    _, answer = explain(verifier, pasted=pasted.format(token))
    assert answer["code"] == code
    assert words in cause(answer)
    assert token.rpartition(".")[2] not in json.dumps(answer)


def test_mistakes_in_tokens_are_named(verifier: RunningVerifier) -> None:
    token = sign({"payload": {"iss": "app", "aud": "jitsi", "sub": "x", "room": "standup"}})
    assert "iss stands within payload" in cause(explain(verifier, pasted=token)[1])
    assert "has 17 of 32 bytes" in cause(explain(verifier, pasted=mint()[:-20])[1])
    unsigned = f"{segment({'typ': 'JWT', 'alg': 'none'})}.{mint().split('.')[1]}."
    assert cause(explain(verifier, pasted=unsigned)[1]).startswith("The token is unsigned")


def test_wrapped_tokens_are_taken_out(verifier: RunningVerifier) -> None:
    for pasted in ("b'{}'", "jwt={}", "jwt: '{}',", '{{"jwt":"{}"}}', "?jwt={}"):
        _, answer = explain(verifier, pasted=pasted.format(mint()), room="standup")
        assert answer["allowed"] is True, pasted
        assert any("explanation" in note for note in answer["notes"])


def test_php_arrays_and_truthy_features_are_noted(verifier: RunningVerifier) -> None:
    context = {"user": [], "features": {"recording": 1}}
    _, answer = explain(verifier, pasted=mint(context=context), room="standup")
    assert answer["allowed"] is True
    assert any("PHP's empty array" in note for note in answer["notes"])
    assert any(note.startswith("1 switches nothing on") for note in answer["notes"])


def test_an_unavailable_key_source_is_in_the_notes(tmp_path: Path) -> None:
    (tmp_path / "verifier.toml").write_text(
        'app_id = "app"\ncache_keys_url = "http://127.0.0.1:9/keys"\n'
    )
    with running_verifier(tmp_path, tmp_path / "verifier.toml") as verifier:
        header = {"alg": "RS256", "kid": "k-1"}
        _, answer = explain(verifier, token=sign({"exp": time.time() + 60}, header))
        assert answer["code"] == "keys-unavailable"
        assert any(note.startswith("Key source document: ") for note in answer["notes"])


def test_creating_a_room_is_explained(verifier: RunningVerifier) -> None:
    members = {"token": mint("booking", CLINIC), "room": "standup", "host": "meet.clinic.example"}
    assert explain(verifier, **members)[1]["allowed"] is True
    answer = explain(verifier, **members, creates_room=True)[1]
    assert answer["code"] == "policy-moderator-required"
    assert explain(verifier, token="x", creates_room=1) == (
        400,
        {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "creates_room: expected a boolean or null, found a number",
        },
    )
