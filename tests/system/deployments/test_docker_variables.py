"""What check-config makes of docker's variables, compared with docker's template."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from verifier.check_config import Deployment, find_entrances, find_risks, read_deployment
from verifier.config import load

SECRET: Final = "0123456789abcdef0123456789abcdef"
TOKENS: Final = {
    "ENABLE_AUTH": "1",
    "AUTH_TYPE": "jwt",
    "JWT_APP_ID": "a",
    "JWT_APP_SECRET": SECRET,
}
OURS: Final = load({"JWT_APP_ID": "a", "JWT_APP_SECRET": SECRET, "XMPP_DOMAIN": "meet.jitsi"})

Render = Callable[[Mapping[str, str]], Path]


def write_env(folder: Path, variables: Mapping[str, str]) -> Path:
    file = folder / ".env"
    quoted = {name: re.sub(r'(["$\\])', r"\\\1", value) for name, value in variables.items()}
    file.write_text("".join(f'{name}="{value}"\n' for name, value in quoted.items()))
    return file


def meaning(deployment: Deployment) -> dict[str, object]:
    """Return all that a report is made of, without the places."""
    hosts = [(host.name, host.authentication, host.options) for host in deployment.hosts]
    # The variables also show Jicofo's switches.
    without_jicofo = replace(deployment, jicofo=None)
    return {
        "hosts": hosts,
        "sharing": sorted(host.name for host in deployment.sharing),
        "lobby": [host.lobby for host in deployment.hosts],
        "risks": sorted((risk.name, risk.text) for risk in find_risks(without_jicofo, None)),
        "entrances": sorted(found.text for found in find_entrances(deployment, OURS)),
    }


ENVIRONMENTS: Final[list[dict[str, str]]] = [
    {},
    {"XMPP_DOMAIN": "meet.example.org", "XMPP_MUC_DOMAIN": "rooms.meet.example.org"},
    {"ENABLE_AUTH": "yes", "JWT_ALLOW_EMPTY": "no", "ENABLE_GUESTS": "off"},
    {"ENABLE_AUTH": "'0'"},
    {"AUTH_TYPE": "internal", "PROSODY_AUTH_TYPE": "jwt"},
    {"AUTH_TYPE": "jwt", "PROSODY_AUTH_TYPE": "internal"},
    {"AUTH_TYPE": "ldap"},
    {
        "AUTH_TYPE": "hybrid_matrix_token",
        "JWT_SIGN_TYPE": "RS256",
        "JWT_ASAP_KEYSERVER": "https://k",
    },
    {"AUTH_TYPE": "hybrid_matrix_token", "MATRIX_UVS_ISSUER": "uvs"},
    {"JWT_APP_SECRET": "false", "JWT_ASAP_KEYSERVER": "https://k.test/"},
    {"JWT_ACCEPTED_ISSUERS": ",a,,b ", "JWT_ACCEPTED_AUDIENCES": ","},
    {"JWT_SIGN_TYPE": "HS512", "JWT_AUTH_TYPE": "jitsi_verifier"},
    {"JWT_AUTH_TYPE": "jitsi_verifier", "PROSODY_MUC_RESOURCE_VALIDATE_ANONYMOUS_STRICT": "on"},
    {
        "JWT_AUTH_TYPE": "jitsi_verifier",
        "PROSODY_MUC_RESOURCE_VALIDATE_ANONYMOUS_STRICT": "1",
        "PROSODY_MUC_RESOURCE_VALIDATE_ANON_METHODS": "token,,jitsi_verifier",
    },
    {"XMPP_MUC_MODULES": "muc_wait_for_host,token_no_wildcard,,", "ENABLE_LOBBY": "F"},
    {"XMPP_MUC_MODULES": "muc_wait_for_host", "WAIT_FOR_HOST_DISABLE_AUTO_OWNERS": "TRUE"},
    {"XMPP_MUC_MODULES": "muc_allowners", "JWT_TOKEN_AUTH_MODULE": "token_verification_of_ours"},
    {"XMPP_CONFIGURATION": "asap_require_room_claim = false,,allow_empty_token = true"},
    {"XMPP_MUC_CONFIGURATION": "wait_for_host_disable_auto_owners = true"},
    {"ENABLE_GUESTS": "1", "XMPP_GUEST_DOMAIN": "g.test", "PROSODY_GUEST_AUTH_TYPE": "anonymous"},
    {"ENABLE_JAAS_COMPONENTS": "1", "PUBLIC_URL": "https://meet.example.org/"},
    {"ENABLE_RECORDING": "1", "XMPP_HIDDEN_DOMAIN": "recorder.test"},
    {"ENABLE_TRANSCRIPTIONS": "no", "XMPP_AUTH_DOMAIN": "service.meet.jitsi"},
]


@pytest.mark.parametrize("changed", ENVIRONMENTS, ids=lambda changed: ",".join(changed) or "none")
def test_variables_mean_what_the_template_makes_of_them(
    changed: dict[str, str], render: Render, tmp_path: Path
) -> None:
    environ = {**TOKENS, **changed}
    rendered = read_deployment([render(environ)], {})
    variables = read_deployment([write_env(tmp_path, environ)], {})
    assert (rendered.config.problems, variables.config.problems) == ([], [])
    assert meaning(variables) == meaning(rendered)


BROKEN: Final = ('a"b', 'a" x = "b', "a\\q", "a\\", "a\nb", "a\\256")
WHOLE: Final = ("a'b", "a,b", "a b", "a\\nb", 'a\\"b', "a\\\\b", "[[a]]", "--a", "ä")
QUOTED: Final = (
    *("JWT_APP_ID", "JWT_APP_SECRET", "JWT_SIGN_TYPE", "JWT_ASAP_KEYSERVER", "JWT_AUTH_TYPE"),
    *("JWT_ACCEPTED_ISSUERS", "JWT_ACCEPTED_AUDIENCES", "JWT_TOKEN_AUTH_MODULE", "XMPP_DOMAIN"),
    *("XMPP_MUC_DOMAIN", "XMPP_AUTH_DOMAIN", "XMPP_MODULES", "XMPP_MUC_MODULES", "JVB_AUTH_USER"),
    *("XMPP_INTERNAL_MUC_DOMAIN", "XMPP_INTERNAL_MUC_MODULES", "XMPP_HIDDEN_DOMAIN"),
    *("JIBRI_RECORDER_USER", "XMPP_LOBBY_MUC_MODULES", "XMPP_BREAKOUT_MUC_MODULES"),
    *("MAX_PARTICIPANTS", "XMPP_SPEAKERSTATS_MODULES", "JIGASI_TRANSCRIBER_USER"),
)


@pytest.mark.parametrize("name", QUOTED)
def test_values_that_break_the_template_are_those_that_are_named(
    name: str, render: Render, tmp_path: Path
) -> None:
    for value in (*BROKEN, *WHOLE):
        environ = {**TOKENS, name: value}
        problems = read_deployment([render(environ)], {}).config.problems
        found = read_deployment([write_env(tmp_path, environ)], {}).config.problems
        # Prosody may start with a text that ends too early, and then runs what follows as Lua.
        assert bool(found) >= bool(problems), value
        assert bool(found) is (value in BROKEN), value
        assert all(str(problem).partition(": ")[2].startswith(f"{name} ") for problem in found)
