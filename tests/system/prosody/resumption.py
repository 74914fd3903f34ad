"""Clients that resume a session (XEP-0198), and what the session has then."""

from __future__ import annotations

import time
from typing import Any

from tests.support.tokens import segment
from tests.system.prosody.clients import ClientFactory
from tests.system.prosody.prosody import Prosody
from tests.system.prosody.websocket_client import WebSocketClient


async def resume(
    clients: ClientFactory, host: str, previous: str, token: str, user: str = ""
) -> tuple[WebSocketClient, str]:
    """Resume a session with a token; return the client and ``resumed`` or ``failed``."""
    client = clients.websocket(host, f"token={token}&previd={previous}")
    result = await client.resume(previous, user)
    await client.ping()  # what the server sends again comes before the answer
    return client, result


def takes_new_claims(prosody: Prosody) -> bool:
    """Return whether a resumed session takes over the claims of the new token."""
    return prosody.release.version != "0.12"


def claims_of(prosody: Prosody, user: WebSocketClient) -> dict[str, Any]:
    """Return some of the claims that a session has."""
    session = prosody.session(user.jid) or {}
    names = ("room", "context_group", "context_features")
    return {name: session.get(f"jitsi_meet_{name}") for name in names}


def first_only(name: str, ends: int) -> str:
    """Return a token that the fake verifier allows once; ``ends`` is seconds from now."""
    return f"first-{name}.{segment({'exp': int(time.time()) + ends})}.x"
