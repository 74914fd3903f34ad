"""What proxies and browsers meet at the gate: hosts, bypass, redirect and hand-off."""

from __future__ import annotations

from typing import Final

from verifier.config import kinds
from verifier.config.options.option import Option

GATE: Final = (
    Option(
        "strict_hosts",
        "VERIFIER_STRICT_HOSTS",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether hosts without a [hosts] table of their own are refused.",
    ),
    Option(
        "bypass",
        "VERIFIER_BYPASS",
        kinds.NETWORKS,
        (),
        "none",
        "Networks of service participants (Jibri, Jigasi) that proxies let in without a token.",
    ),
    Option(
        "trusted_proxies",
        "VERIFIER_TRUSTED_PROXIES",
        kinds.PROXIES,
        (),
        "none",
        "Networks whose X-Real-IP is believed, for bypass; unix stands for unix sockets.",
    ),
    Option(
        "denied_redirect_url",
        "VERIFIER_DENIED_REDIRECT_URL",
        kinds.REDIRECT,
        None,
        "none",
        "Where refused readers are sent: https, behind the host also {code}, {room} and {url}.",
    ),
    Option(
        "handoff",
        "VERIFIER_HANDOFF",
        kinds.BOOLEAN,
        False,
        "false",
        "Whether tokens leave the URLs of pages: into the fragment, with a cookie for reloads.",
    ),
    Option(
        "handoff_secret",
        "VERIFIER_HANDOFF_SECRET",
        kinds.BEARER_TOKEN,
        None,
        "the first shared secret",
        "What the hand-off's cookies are signed with; required where there is no shared secret.",
    ),
)
