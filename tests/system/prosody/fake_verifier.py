"""A server in the place of the verifier: the token of a request selects the answer, or a fault.

It records all requests, runs in its own thread, and also serves the keys that a verifier fetches.
Tokens are names: of a response in ``RESPONSES``, of a body in ``BODIES``, or they begin with a
prefix in ``FakeVerifier._behaviours``.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.support.processes import DEADLINE

VerifyRequest = dict[str, Any]
"""The JSON document that Prosody's module sends."""

ALLOWED: dict[str, Any] = {
    "allowed": True,
    "code": None,
    "error": None,
    "reason": None,
    "affiliation": "member",
    "moderator": False,
    "tenant_mismatch": False,
    "expires": None,
    "session": {"jitsi_meet_room": "*", "jitsi_meet_domain": "*"},
}
DENIED: dict[str, Any] = {
    **ALLOWED,
    "allowed": False,
    "code": "signature-invalid",
    "error": "not-allowed",
    "reason": "Invalid signature",
    "affiliation": None,
    "session": None,
}
ODD_SESSION: dict[str, Any] = {
    "jitsi_meet_room": None,
    "jitsi_meet_domain": "*",
    "jitsi_meet_context_user": {"id": "u-1", "name": None, "list": [None, 1, {"x": None}]},
    "jitsi_meet_context_features": None,
    "type": "s2sin",
    "username": "admin",
}
OWNER: dict[str, Any] = {**ALLOWED, "affiliation": "owner", "moderator": True}

RESPONSES: dict[str, Any] = {
    "allow": ALLOWED,
    "owner": OWNER,
    "deny": DENIED,
    "odd-session": {**ALLOWED, "session": ODD_SESSION, "unknown": [1]},
    "null-session": {**ALLOWED, "session": None},
    "list-session": {**ALLOWED, "session": [1]},
    "text-session": {**ALLOWED, "session": "all"},
    "no-members": {},
    "null": None,
    "list": [],
    "number": 1,
    "true": True,
    "allowed-text": {**ALLOWED, "allowed": "true"},
    "allowed-one": {**ALLOWED, "allowed": 1},
    "allowed-null": {**ALLOWED, "allowed": None},
    "odd-affiliation": {**ALLOWED, "affiliation": "admin"},
    "number-affiliation": {**ALLOWED, "affiliation": 7},
    "hash-member": {**ALLOWED, "session": {"jitsi_meet_context_user": {"__hash": ["x", 1]}}},
    "array-member": {**ALLOWED, "session": {"jitsi_meet_context_user": {"__array": "x"}}},
    "bare-deny": {"allowed": False},
    "odd-deny": {"allowed": False, "code": "<a>&", "error": "<b/>", "reason": "\u0001"},
    "long-deny": {**DENIED, "reason": "x" * 5000},
    "room-of-wrong-type": {**ALLOWED, "session": {"jitsi_meet_room": {"a": 1}}},
    "tenant-of-wrong-type": {**ALLOWED, "session": {"jitsi_meet_str_tenant": 5}},
    "user-of-wrong-type": {**ALLOWED, "session": {"jitsi_meet_context_user": "text"}},
    "no-xml-deny": {**DENIED, "reason": "bad \ufffe"},
    "null-deny": {**DENIED, "code": None, "error": None, "reason": None},
    "markup-deny": {**DENIED, "reason": "<not> & 'quoted'"},
}
BODIES: dict[str, bytes] = {
    "garbage": b"<html>\xff\xfe it works",
    "empty": b"",
    "half": b'{"allowed": tr',
    "trailing": json.dumps(ALLOWED).encode() + b"x",
    "huge": b'{"allowed": true, "x": "' + b"x" * 300_000 + b'"}',
    "deep": b"[" * 60_000,
}


class FakeVerifier:
    """The server.

    Attributes:
        port: Its port; the argument 0 selects a free one.
        requests: All requests, in order.
        connections: The connection of each request.
        files: The bodies that ``GET`` returns, by path.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[VerifyRequest] = []
        self.connections: list[object] = []
        self.files: dict[str, bytes] = {}
        self._held: dict[str, asyncio.Event] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner, self.port = self._in_loop(self._start(port))

    @property
    def url(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Close all connections and end the thread."""
        self._in_loop(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()

    def requests_with(self, token: str | None) -> list[VerifyRequest]:
        """Return the requests with this token."""
        return [message for message in list(self.requests) if message["token"] == token]

    def release(self, held: str) -> None:
        """Answer the waiting requests of a ``held-`` or ``waiting-`` token, or of a room."""
        self._loop.call_soon_threadsafe(lambda: self._event(held).set())

    def _event(self, token: str) -> asyncio.Event:
        return self._held.setdefault(token, asyncio.Event())

    def _in_loop(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)

    async def _end(self) -> None:
        await self._runner.cleanup()
        held = asyncio.all_tasks() - {asyncio.current_task()}
        for task in held:
            task.cancel()
        await asyncio.gather(*held, return_exceptions=True)

    async def _start(self, port: int) -> tuple[web.ServerRunner, int]:
        server = web.Server(self._answer, access_log=None)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        return runner, runner.addresses[0][1]

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            body = self.files.get(request.path)
            return web.Response(body=body, status=404 if body is None else 200)
        message = await request.json()
        self.requests.append(message)
        self.connections.append(request.transport)
        token = message["token"]
        if token is None:
            if (message["room_jid"] or "").startswith("held-"):
                await self._event(message["room_jid"]).wait()
            return _json_response({**DENIED, "code": "token-missing", "reason": "token required"})
        for prefix, behave in self._behaviours().items():
            if token.startswith(prefix):
                return await behave(request, message)
        if token in BODIES:
            return web.Response(body=BODIES[token], content_type="application/json")
        return _json_response(RESPONSES.get(token, DENIED))

    def _behaviours(
        self,
    ) -> dict[str, Callable[[web.BaseRequest, VerifyRequest], Awaitable[web.StreamResponse]]]:
        return {
            "status-": self._status,
            "held-": self._hold,
            "waiting-": self._wait,
            "login-": self._login_only,
            "cut": self._cut,
            "silent": self._silent,
            "keyless": self._keyless,
            "expiring-": self._expiring,
            "once-": self._once,
            "first-": self._first_only,
            "mismatch-": self._mismatch,
        }

    async def _status(self, _request: web.BaseRequest, message: VerifyRequest) -> web.Response:
        """Answer with the status in the token; the body allows, which Prosody has to ignore."""
        status = int(message["token"].split("-")[1])
        return web.Response(status=status, body=json.dumps(ALLOWED))

    async def _hold(self, _request: web.BaseRequest, message: VerifyRequest) -> web.StreamResponse:
        """Allow the login at once; answer a join when the test releases it."""
        if "room_jid" in message and message["room_jid"] is not None:
            await self._event(message["token"]).wait()
        return _json_response(ALLOWED)

    async def _wait(self, _request: web.BaseRequest, message: VerifyRequest) -> web.StreamResponse:
        """Answer login and join when the test releases them."""
        await self._event(message["token"]).wait()
        return _json_response(ALLOWED)

    async def _login_only(self, request: web.BaseRequest, message: VerifyRequest) -> Any:
        """Allow the login; answer a join as the rest of the token says."""
        if message["room_jid"] is None:
            return _json_response(ALLOWED)
        rest = message["token"].removeprefix("login-")
        for prefix, behave in self._behaviours().items():
            if rest.startswith(prefix):
                return await behave(request, {**message, "token": rest})
        if rest in BODIES:
            return web.Response(body=BODIES[rest], content_type="application/json")
        return _json_response(RESPONSES[rest])

    async def _cut(self, request: web.BaseRequest, _message: VerifyRequest) -> web.Response:
        """Close the connection without an answer."""
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _silent(self, _request: web.BaseRequest, _message: VerifyRequest) -> web.Response:
        """Never answer."""
        await asyncio.Event().wait()
        return web.Response()

    async def _keyless(self, _request: web.BaseRequest, _message: VerifyRequest) -> web.Response:
        """Answer as the verifier does when it cannot fetch a key."""
        reason = "could not obtain public key"
        document = {**DENIED, "code": "keys-unavailable", "reason": reason}
        return web.json_response(document, status=503)

    async def _expiring(self, _request: web.BaseRequest, message: VerifyRequest) -> web.Response:
        """Answer that the token has expired, except to the first join."""
        earlier = [q for q in self.requests_with(message["token"]) if q["room_jid"] is not None]
        if len(earlier) > 1:
            reason = "Not acceptable by exp"
            return _json_response({**DENIED, "code": "token-expired", "reason": reason})
        return _json_response(OWNER)

    async def _once(self, _request: web.BaseRequest, message: VerifyRequest) -> web.Response:
        """Allow the first join, and later ones of the same session."""
        earlier = [q for q in self.requests_with(message["token"]) if q["room_jid"] is not None]
        is_first_join = message["room_jid"] is not None and not message["admitted_before"]
        if is_first_join and len(earlier) > 1:
            reason = "token already used"
            return _json_response({**DENIED, "code": "token-already-used", "reason": reason})
        return _json_response(OWNER)

    async def _first_only(
        self, request: web.BaseRequest, message: VerifyRequest
    ) -> web.StreamResponse:
        """Allow the first request with this token; never answer a later one."""
        if len(self.requests_with(message["token"])) > 1:
            return await self._cut(request, message)
        return _json_response(ALLOWED)

    async def _mismatch(self, _request: web.BaseRequest, message: VerifyRequest) -> web.Response:
        """Report a tenant mismatch; deny it for a room that is closed to guests."""
        if message["room_requires_authentication"]:
            return _json_response({**DENIED, "code": "tenant-mismatch"})
        return _json_response({**ALLOWED, "tenant_mismatch": True})


def _json_response(document: Any) -> web.Response:
    return web.json_response(document)
