"""Asks a running gate from outside what guests and attackers would ask it.

``questions`` is the table of what is asked. ``asker`` sends the requests: one after the other, at
most 100, byte for byte as the table says. ``evaluation`` compares each answer with what is
expected, and ``revealed`` looks at all of them together.

What this cannot see:

- It sees the answers, and not the requests that reach Jitsi. So it does not see whether a forged
  identity header reaches Prosody. It sees only that such a header opens nothing.
- It speaks HTTP/1.1. A proxy may treat HTTP/2 and HTTP/3 in another way.
- It does not stop the verifier. Instead of this, one request is too long for the verifier.
- A cache or a firewall may treat another client in another way. To see the ports as the world
  does, run it on another machine than the server.
- Jicofo's answers have no mark, see ``evaluation``. So disguised paths of Jicofo are recognised
  only by the answer that a good token gets.
- Which rooms a token opens beyond those that were asked. For that there is ``explain``.

Jitsi's page itself, with status 200 and without a token, is as it should be: a gate protects the
signalling.
"""

from __future__ import annotations

from verifier.check_gate.asker import MAX_REQUESTS, Site
from verifier.check_gate.connection import CannotConnectError, Endpoint
from verifier.check_gate.model import OTHER_ROOM, Credential, Result, Server, Token, Tokens, Verdict
from verifier.check_gate.run import NoGateError, Report, check_gate

__all__ = [
    "MAX_REQUESTS",
    "OTHER_ROOM",
    "CannotConnectError",
    "Credential",
    "Endpoint",
    "NoGateError",
    "Report",
    "Result",
    "Server",
    "Site",
    "Token",
    "Tokens",
    "Verdict",
    "check_gate",
]
