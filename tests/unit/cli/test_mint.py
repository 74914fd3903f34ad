"""``mint``: what it prints, and that ``explain`` allows every minted token."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from tests.support.commands import Run
from tests.support.tokens import SECRET
from verifier.tokens.claims import Claims
from verifier.tokens.jws import read

SECRETS = {"JWT_APP_ID": "app", "JWT_APP_SECRET": SECRET}
CONFIGURATIONS = {
    "plain": SECRETS,
    "domains": SECRETS | {"XMPP_DOMAIN": "meet.jitsi"},
    "muc": SECRETS | {"XMPP_DOMAIN": "meet.jitsi", "XMPP_MUC_DOMAIN": "muc.meet.jitsi"},
    "other muc": SECRETS | {"XMPP_DOMAIN": "meet.jitsi", "XMPP_MUC_DOMAIN": "rooms.other.org"},
    "accepted": SECRETS | {"JWT_ACCEPTED_ISSUERS": "*,a", "JWT_ACCEPTED_AUDIENCES": "b,c"},
    "anything": SECRETS | {"JWT_ACCEPTED_ISSUERS": "*", "JWT_ACCEPTED_AUDIENCES": "*"},
    "HS512": SECRETS | {"JWT_SIGN_TYPE": "HS512"},
    "capitals": SECRETS | {"XMPP_DOMAIN": "Meet.Jitsi"},
}
ROOMS = ["standup", "Team Sync", "Команда", "50%", "a!'()*b", "%21", "İ", "ﬁ", "http-bind", "."]


def claims_of(token: str) -> Claims:
    return Claims(read(token.strip()).claims)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("tenant", [None, "acme", "Acme.Corp", "müller"])
def test_explain_allows_every_minted_token(
    run: Run, configured: Callable[..., None], name: str, room: str, tenant: str | None
) -> None:
    configured(**CONFIGURATIONS[name])
    tenant_option = [] if tenant is None else ["--tenant", tenant]
    minted = run("mint", "--room", room, *tenant_option, "--user", "Ada", "--moderator")
    assert minted.status == 0
    assert "denies" not in minted.err
    explained = run("explain", minted.out, "--room", room, *tenant_option)
    assert explained.status == 0, explained.out


@pytest.mark.parametrize("room", ["standup", "Team Sync", "Команда", "50%", "a!'()*b", "%21", "İ"])
@pytest.mark.parametrize("tenant", [None, "acme", "Acme.Corp", "müller"])
def test_explain_allows_every_join_url(run: Run, room: str, tenant: str | None) -> None:
    tenant_option = [] if tenant is None else ["--tenant", tenant]
    minted = run("mint", "--room", room, *tenant_option, "--url", "https://meet.example.org/")
    assert minted.out.startswith("https://meet.example.org/")
    outcome = run("explain", minted.out)
    assert outcome.status == 0, outcome.out


def test_url_has_tenant_room_and_token(run: Run) -> None:
    arguments = ("mint", "--room", "standup", "--tenant", "acme")
    parts = urlsplit(run(*arguments, "--url", "https://meet.example.org:8443").out.strip())
    assert (parts.netloc, parts.path) == ("meet.example.org:8443", "/acme/standup")
    assert list(parse_qs(parts.query)) == ["jwt"]


def test_standard_output_is_only_the_token(run: Run) -> None:
    minted = run("mint", "--room", "standup")
    assert (minted.status, minted.err) == (0, "")
    assert minted.out.count("\n") == 1
    assert jwt.decode(minted.out.strip(), SECRET, ["HS256"], audience="jitsi")["iss"] == "app"


def test_room_in_another_form_is_noted(run: Run) -> None:
    minted = run("mint", "--room", "Team Sync")
    assert 'note: the token names the room "team%20sync", as the web client does' in minted.err
    assert claims_of(minted.out).room == "team%20sync"


def test_every_claim_has_its_option(run: Run) -> None:
    minted = run(
        *("mint", "--room", "*", "--user", "Ada", "--email", "a@b.c", "--user-id", "7"),
        *("--moderator", "--feature", "recording", "--feature", "live", "--kid", "k-1"),
        *("--sub", "s", "--aud", "a", "--iss", "app", "--expires", "90s"),
    )
    claims = claims_of(minted.out)
    assert (claims.room, claims.subject, claims.audience) == ("*", "s", "a")
    assert claims.user["name"] == "Ada"
    assert claims.user["moderator"] is True
    assert claims.is_moderator
    assert claims.context["features"] == {"recording": True, "live": True}
    assert claims.expiry - claims.raw["iat"] == 90
    assert jwt.get_unverified_header(minted.out.strip())["kid"] == "k-1"


def test_denied_token_is_minted_with_a_note(run: Run) -> None:
    minted = run("mint", "--room", "standup", "--iss", "other")
    assert minted.status == 0
    assert "issuer-not-accepted" in minted.err


@pytest.mark.parametrize(
    ("expires", "seconds"), [("90s", 90), ("15m", 900), ("24h", 86_400), ("7d", 604_800)]
)
def test_lifetime_has_a_unit(run: Run, expires: str, seconds: int) -> None:
    minted = run("mint", "--room", "x", "--expires", expires)
    assert abs(claims_of(minted.out).expiry - seconds - time.time()) < 60


@pytest.mark.parametrize("expires", ["", "1", "0s", "-1h", "1.5h", "99999d", "9" * 400 + "d", "1w"])
def test_any_other_lifetime_is_wrong_usage(run: Run, expires: str) -> None:
    assert run("mint", "--room", "x", f"--expires={expires}").status == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["--room", "?"],
        ["--room", "x", "--tenant", "a/b"],
        ["--room", "*", "--tenant", "a b"],
        ["--room", "*", "--url", "https://meet.example.org"],
        ["--room", "x", "--url", "meet.example.org"],
        ["--room", "x", "--url", "https://meet.example.org/?a=b"],
        ["--room", "x", "--url", "https://meet.example.org/sub/path"],
        ["--room", "x", "--url", "https://meet.example.org/sub"],
        ["--room", "http-bind", "--url", "https://meet.example.org"],
        ["--room", "x", "--user", "\udcff"],
        ["--room", "x", "--user", ""],
    ],
)
def test_unusable_arguments_are_wrong_usage(run: Run, arguments: list[str]) -> None:
    outcome = run("mint", *arguments)
    assert (outcome.status, outcome.out) == (2, "")
    assert "expected" in outcome.err or "needs" in outcome.err


def test_only_the_first_secret_signs(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    config = tmp_path / "verifier.toml"
    config.write_text(f'app_id = "app"\napp_secret = ["{SECRET}", "another secret"]\n')
    configured(VERIFIER_CONFIG=str(config))
    token = run("mint", "--room", "x").out.strip()
    assert jwt.decode(token, SECRET, ["HS256"], audience="jitsi")["room"] == "x"


def test_configuration_without_a_secret_is_refused(
    run: Run, configured: Callable[..., None]
) -> None:
    configured(JWT_APP_ID="app", JWT_CACHE_KEYS_URL="http://127.0.0.1:9/")
    outcome = run("mint", "--room", "x")
    assert (outcome.status, outcome.out) == (78, "")
    assert "RS256" in outcome.err
    assert "shared secret" in outcome.err
