"""A verifier that answers what the token asks for: faults on demand, and a memory of questions.

Runs in a thread of its own; also serves the keys that a real verifier fetches.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.support.processes import DEADLINE

Question = dict[str, Any]

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

VERDICTS: dict[str, Any] = {
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
    "truth": True,
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
    "room-of-another-type": {**ALLOWED, "session": {"jitsi_meet_room": {"a": 1}}},
    "tenant-of-another-type": {**ALLOWED, "session": {"jitsi_meet_str_tenant": 5}},
    "user-of-another-type": {**ALLOWED, "session": {"jitsi_meet_context_user": "text"}},
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
        port: Where it listens; 0 finds one.
        questions: Everything that it was asked, in order.
        files: What ``GET`` answers, by path.
    """

    def __init__(self, port: int = 0) -> None:
        self.questions: list[Question] = []
        self.files: dict[str, bytes] = {}
        self._held: dict[str, asyncio.Event] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner, self.port = self._in_loop(self._start(port))

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Close everything and end the thread."""
        self._in_loop(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DEADLINE)
        self._loop.close()

    def asked_with(self, token: str | None) -> list[Question]:
        """The questions with a token."""
        return [question for question in list(self.questions) if question["token"] == token]

    def release(self, held: str) -> None:
        """Answer what a ``held-...`` or ``waiting-...`` token, or a guest's room, keeps waiting."""
        self._loop.call_soon_threadsafe(lambda: self._event(held).set())

    def _event(self, token: str) -> asyncio.Event:
        return self._held.setdefault(token, asyncio.Event())

    def _in_loop(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)

    async def _end(self) -> None:
        await self._runner.cleanup()
        held = asyncio.all_tasks() - {asyncio.current_task()}
        for each in held:
            each.cancel()
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
        question = await request.json()
        self.questions.append(question)
        token = question["token"]
        if token is None:
            if (question["room_jid"] or "").startswith("held-"):
                await self._event(question["room_jid"]).wait()
            return _verdict({**DENIED, "code": "token-missing", "reason": "token required"})
        for prefix, behave in self._behaviours().items():
            if token.startswith(prefix):
                return await behave(request, question)
        if token in BODIES:
            return web.Response(body=BODIES[token], content_type="application/json")
        return _verdict(VERDICTS.get(token, DENIED))

    def _behaviours(
        self,
    ) -> dict[str, Callable[[web.BaseRequest, Question], Awaitable[web.StreamResponse]]]:
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
            "mismatch-": self._mismatch,
        }

    async def _status(self, _request: web.BaseRequest, question: Question) -> web.Response:
        """Answer with a status, and a body that must not be believed."""
        status = int(question["token"].split("-")[1])
        return web.Response(status=status, body=json.dumps(ALLOWED))

    async def _hold(self, _request: web.BaseRequest, question: Question) -> web.StreamResponse:
        """Let them log in at once, and answer about a room when released."""
        if "room_jid" in question and question["room_jid"] is not None:
            await self._event(question["token"]).wait()
        return _verdict(ALLOWED)

    async def _wait(self, _request: web.BaseRequest, question: Question) -> web.StreamResponse:
        """Answer everything only when released."""
        await self._event(question["token"]).wait()
        return _verdict(ALLOWED)

    async def _login_only(self, request: web.BaseRequest, question: Question) -> Any:
        """Let them log in; about a room, answer what stands behind ``login-``."""
        if question["room_jid"] is None:
            return _verdict(ALLOWED)
        behind = question["token"].removeprefix("login-")
        for prefix, behave in self._behaviours().items():
            if behind.startswith(prefix):
                return await behave(request, {**question, "token": behind})
        if behind in BODIES:
            return web.Response(body=BODIES[behind], content_type="application/json")
        return _verdict(VERDICTS[behind])

    async def _cut(self, request: web.BaseRequest, _question: Question) -> web.Response:
        """End the connection without an answer."""
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _silent(self, _request: web.BaseRequest, _question: Question) -> web.Response:
        """Never answer."""
        await asyncio.Event().wait()
        return web.Response()

    async def _keyless(self, _request: web.BaseRequest, _question: Question) -> web.Response:
        """Say that keys cannot be had, as the contract has it."""
        reason = "could not obtain public key"
        document = {**DENIED, "code": "keys-unavailable", "reason": reason}
        return web.json_response(document, status=503)

    async def _expiring(self, _request: web.BaseRequest, question: Question) -> web.Response:
        """Expire after the first question about a room."""
        earlier = [q for q in self.asked_with(question["token"]) if q["room_jid"] is not None]
        if len(earlier) > 1:
            reason = "Not acceptable by exp"
            return _verdict({**DENIED, "code": "token-expired", "reason": reason})
        return _verdict(OWNER)

    async def _once(self, _request: web.BaseRequest, question: Question) -> web.Response:
        """Let in once, and again those who have been let in."""
        earlier = [q for q in self.asked_with(question["token"]) if q["room_jid"] is not None]
        is_entry = question["room_jid"] is not None and not question["admitted_before"]
        if is_entry and len(earlier) > 1:
            reason = "token already used"
            return _verdict({**DENIED, "code": "token-already-used", "reason": reason})
        return _verdict(OWNER)

    async def _mismatch(self, _request: web.BaseRequest, question: Question) -> web.Response:
        """Flag another tenant, which a room that is closed to guests refuses."""
        if question["room_requires_authentication"]:
            return _verdict({**DENIED, "code": "tenant-mismatch"})
        return _verdict({**ALLOWED, "tenant_mismatch": True})


def _verdict(document: Any) -> web.Response:
    return web.json_response(document)
