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


def test_denied_token_is_printed_with_the_reason_and_ends_with_1(run: Run) -> None:
    minted = run("mint", "--room", "standup", "--iss", "other")
    assert minted.status == 1
    assert claims_of(minted.out).issuer == "other"
    assert "this configuration denies this token: issuer-not-accepted" in minted.err


POLICIES = {
    "require_jti": {"VERIFIER_POLICY_REQUIRE_JTI": "true"},
    "single_use": {"VERIFIER_SINGLE_USE": "jti"},
    "max_token_lifetime": {"VERIFIER_POLICY_MAX_TOKEN_LIFETIME": "600"},
    "part of a second": {"VERIFIER_POLICY_MAX_TOKEN_LIFETIME": "1.5"},
    "longer than a day": {"VERIFIER_POLICY_MAX_TOKEN_LIFETIME": "604800"},
    "require_expiry": {"VERIFIER_POLICY_REQUIRE_EXPIRY": "true"},
    "forbid_wildcard_sub": {
        "VERIFIER_POLICY_FORBID_WILDCARD_SUB": "true",
        "JWT_ENABLE_DOMAIN_VERIFICATION": "false",
    },
    "forbid_wildcard_room": {"VERIFIER_POLICY_FORBID_WILDCARD_ROOM": "true"},
    "forbid_room_patterns": {"VERIFIER_POLICY_FORBID_ROOM_PATTERNS": "true"},
    "moderators": {"VERIFIER_POLICY_MODERATORS_CREATE_ROOMS": "true"},
    "strict": {"VERIFIER_RULES": "strict", "XMPP_DOMAIN": "meet.jitsi"},
}
POLICIES["all"] = {
    name: value
    for policy in (*POLICIES.values(), POLICIES["max_token_lifetime"])
    for name, value in policy.items()
    if name != "JWT_ENABLE_DOMAIN_VERIFICATION"
}


@pytest.mark.parametrize("name", POLICIES)
def test_minted_token_satisfies_the_policy(
    run: Run, configured: Callable[..., None], name: str
) -> None:
    configured(**SECRETS, **POLICIES[name])
    for tenant in ((), ("--tenant", "acme")):
        minted = run("mint", "--room", "standup", *tenant)
        assert (minted.status, minted.err) == (0, "")
        assert run("explain", minted.out, "--room", "standup", *tenant).status == 0


def test_each_token_has_a_jti_of_its_own(run: Run) -> None:
    ids = {claims_of(run("mint", "--room", "standup").out).raw["jti"] for _ in range(3)}
    assert len(ids) == 3
    assert claims_of(run("mint", "--room", "standup", "--jti", "a 7").out).raw["jti"] == "a 7"


@pytest.mark.parametrize(
    ("longest", "seconds"), [("600", 600), ("600.9", 600), ("604800", 86_400), ("0.5", 1)]
)
def test_default_lifetime_is_that_of_the_policy(
    run: Run, configured: Callable[..., None], longest: str, seconds: int
) -> None:
    configured(**SECRETS, VERIFIER_POLICY_MAX_TOKEN_LIFETIME=longest)
    claims = claims_of(run("mint", "--room", "standup").out)
    assert claims.expiry - claims.raw["iat"] == seconds


@pytest.mark.parametrize(
    ("option", "arguments", "reason"),
    [
        ("MAX_TOKEN_LIFETIME=600", ["--expires", "1h"], "token-lifetime (expected at most 600 s"),
        ("MAX_TOKEN_LIFETIME=600", ["--expires", "601s"], "give a shorter --expires"),
        ("REQUIRE_USER_ID=true", [], "user-id-missing (expected context.user.id); give --user-id"),
        ("FORBID_WILDCARD_SUB=true", ["--sub", "*"], "wildcard-sub (expected sub to name one"),
        ("FORBID_WILDCARD_ROOM=true", ["--room", "*"], "wildcard-room (expected room to name one"),
    ],
)
def test_policy_that_mint_cannot_satisfy_is_the_reason(
    run: Run, configured: Callable[..., None], option: str, arguments: list[str], reason: str
) -> None:
    name, _, value = option.partition("=")
    configured(**SECRETS, **{f"VERIFIER_POLICY_{name}": value})
    minted = run("mint", "--room", "standup", *arguments)
    assert minted.status == 1
    assert "this configuration denies this token: policy-" in minted.err
    assert reason in minted.err


def test_url_of_a_host_has_the_options_of_the_host(
    run: Run, configured: Callable[..., None], tmp_path: Path
) -> None:
    config = tmp_path / "verifier.toml"
    config.write_text(
        f'app_id = "app"\napp_secret = "{SECRET}"\n[hosts."b.example"]\n'
        'app_secret = "another-secret-of-more-than-32-bytes"\n'
        "policy.max_token_lifetime = 300\n"
    )
    configured(VERIFIER_CONFIG=str(config))
    url = run("mint", "--room", "x", "--url", "https://B.example:8443").out.strip()
    token = parse_qs(urlsplit(url).query)["jwt"][0]
    payload = jwt.decode(token, "another-secret-of-more-than-32-bytes", ["HS256"], audience="jitsi")
    assert payload["exp"] - payload["iat"] == 300


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


def test_link_to_a_host_that_is_not_served_is_denied(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "verifier.toml"
    config.write_text(
        f'app_id = "app"\napp_secret = "{SECRET}"\nstrict_hosts = true\n'
        '[hosts."meet.example.org"]\napp_id = "app"\n'
    )
    for host, status in (("meet.example.org", 0), ("elsewhere.example", 1)):
        link = ("--url", f"https://{host}", "--config", str(config))
        minted = run("mint", "--room", "standup", *link)
        assert minted.status == status
        assert run("explain", minted.out, "--config", str(config)).status == status
    assert "domain-mismatch (this host is not served here); give a --url" in minted.err
