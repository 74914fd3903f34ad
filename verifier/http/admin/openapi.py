"""``GET /openapi.json`` on the admin address: everything that both addresses serve (OpenAPI 3.1).

It holds no secret and nothing of this deployment, and is open to whoever reaches the address. What
it says is held against the routes and against real answers (tests/integration/openapi).
"""

from __future__ import annotations

import json
from functools import cache
from typing import Final

from aiohttp import web

from verifier.http.admin.openapi_schemas import FLAG, TEXT, Json, answer_object, ref, schemas
from verifier.http.rendering import identity
from verifier.rules.model import Allow
from verifier.version import VERSION

PATH: Final = "/openapi.json"
_ANY_METHOD: Final = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
_DECISIONS: Final = {"url": "http://127.0.0.1:8090", "description": "`listen`"}
_ADMIN: Final = {"url": "http://127.0.0.1:8091", "description": "`admin_listen`"}


def respond() -> web.Response:
    """Serve the document."""
    headers = {
        "Server": "jitsi-verifier",
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
    }
    return web.Response(headers=headers, body=_written())


@cache
def _written() -> bytes:
    return json.dumps(document(), ensure_ascii=False).encode()


def document() -> Json:
    """Give the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jitsi-verifier",
            "version": VERSION,
            "description": "Jitsi Meet's own verdict on a JWT room link, and why.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [_DECISIONS, _ADMIN],
        "paths": _decision_paths() | _admin_paths() | {"/healthz": _healthz()},
        "components": {"schemas": schemas(), "securitySchemes": {"admin": _ADMIN_TOKEN}},
    }


_ADMIN_TOKEN: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "`admin_token`; asks for nothing where there is none",
}


def _content(schema: Json, kind: str = "application/json") -> Json:
    return {kind: {"schema": schema}}


def _json_answer(description: str, name: str) -> Json:
    return {"description": description, "content": _content(ref(name))}


def _problem(description: str, *headers: str) -> Json:
    return {
        "description": description,
        "content": _content(ref("Problem"), "application/problem+json"),
        "headers": {name: {"schema": TEXT, "required": True} for name in headers},
    }


_MALFORMED: Final = {
    "400": _problem("The request is not well-formed."),
    "431": _problem("The head is longer than 16 KB."),
}
_BODY_REFUSALS: Final = _MALFORMED | {
    "408": _problem("The body did not arrive in time."),
    "413": _problem("The body is longer than 64 KB."),
    "415": _problem("The body is not `application/json`, or has a `Content-Encoding`."),
}
_REFUSED: Final = {"403": _problem("Not for pages of other sites, nor by names of theirs.")}
_UNAUTHORIZED: Final = {"401": _problem("Not the admin token.", "WWW-Authenticate")}


def _parameter(name: str, place: str, description: str, *, required: bool = False) -> Json:
    needed = required or place == "path"
    found = {"name": name, "in": place, "description": description, "required": needed}
    return found | {"schema": TEXT}


def _decision_paths() -> Json:
    method = _parameter("X-Original-Method", "header", "The original request's method.")
    return {
        "/auth": _gate(
            "nginx `auth_request`",
            _parameter("X-Original-URI", "header", "Path and query.", required=True),
            method,
        ),
        "/auth-url": _gate(
            "ingress-nginx",
            _parameter("X-Original-URL", "header", "The absolute URL.", required=True),
            method,
        ),
        "/forward-auth": _gate(
            "Traefik, Caddy and HAProxy",
            _parameter("X-Forwarded-Uri", "header", "Path and query.", required=True),
            _parameter("X-Forwarded-Host", "header", "The host.", required=True),
            _parameter("X-Forwarded-Method", "header", "The method."),
        ),
        "/ext-authz/{target}": _gate(
            "Envoy ext_authz: any path, with its query, stands behind the prefix",
            _parameter("target", "path", "The original path without its first slash."),
        ),
        "/v1/verify": _at(_DECISIONS, post=_verify()),
        "/access": _at(_DECISIONS, get=_access()),
        "/check_password": _at(_DECISIONS, get=_check_password()),
        "/user_exists": _at(_DECISIONS, get=_word("mod_auth_http: every user exists")),
        "/asap/{digest}.pem": _at(_DECISIONS, get=_asap()),
    }


def _at(server: Json, **methods: Json) -> Json:
    return {"servers": [server], **methods}


def _gate(summary: str, *parameters: Json) -> Json:
    """Describe a proxy's endpoint; it is asked by whatever method the proxy uses."""
    handoff = _parameter("X-Jitsi-Handoff", "header", "`1` where the proxy hands on a 303.")
    bearer = _parameter("Authorization", "header", "`Bearer` and the token, if not in the query.")
    operation = {
        "summary": summary,
        "parameters": [*parameters, bearer, handoff],
        "responses": _verdicts(),
    }
    return {"servers": [_DECISIONS], **dict.fromkeys(_ANY_METHOD, operation)}


def _verdicts() -> Json:
    names = identity(Allow(), None)
    headers = {name: {"schema": TEXT, "required": True} for name in names}
    return _MALFORMED | {
        "200": {"description": "Allowed, and who it is.", "headers": headers},
        "303": {"description": "Allowed; the token moves from the query to the fragment."},
        "401": _problem("No token, or not a good one.", "WWW-Authenticate", "X-Jitsi-Denial"),
        "403": _problem("A good token, but not for this.", "X-Jitsi-Denial"),
        "503": _problem("It cannot be judged now.", "Retry-After", "X-Jitsi-Denial"),
    }


def _verify() -> Json:
    return {
        "summary": "Prosody's modules, and any program",
        "requestBody": {"required": True, "content": _content(ref("Question"))},
        "responses": _BODY_REFUSALS
        | {
            "200": _json_answer("The verdict, whichever it is.", "Verdict"),
            "503": _json_answer("It cannot be judged now.", "Verdict"),
        },
    }


def _access() -> Json:
    answer = _content(answer_object({"access": FLAG}))
    bearer = _parameter("Authorization", "header", "`Bearer` and the token.")
    return {
        "summary": "Jitsi's mod_muc_auth_ban",
        "parameters": [bearer],
        "responses": _MALFORMED | {"200": {"description": "Always.", "content": answer}},
    }


def _check_password() -> Json:
    return _word("mod_auth_http: the token as a password") | {
        "parameters": [
            _parameter("pass", "query", "The token."),
            _parameter("user", "query", "Anything."),
            _parameter("server", "query", "The host whose rules judge."),
        ],
    }


def _word(summary: str) -> Json:
    word = {"description": "The bare word.", "content": _content(TEXT, "text/plain")}
    return {"summary": summary, "responses": _MALFORMED | {"200": word}}


def _asap() -> Json:
    digest = _parameter("digest", "path", "SHA-256 of the key id, lower-case hex.")
    key = {"description": "A public key.", "content": _content(TEXT, "application/x-pem-file")}
    return {
        "summary": "Jitsi, as its `asap_key_server`",
        "parameters": [digest],
        "responses": _MALFORMED | {"200": key, "404": _problem("No such key.")},
    }


def _healthz() -> Json:
    alive = {"description": "Alive.", "content": _content(TEXT, "text/plain")}
    operation = {"summary": "Load balancers", "responses": _MALFORMED | {"200": alive}}
    return {"servers": [_DECISIONS, _ADMIN], "get": operation}


def _admin_paths() -> Json:
    metrics = {"description": "Prometheus' text format.", "content": _content(TEXT, "text/plain")}
    ready = {
        "200": _json_answer("It judges.", "Readiness"),
        "503": _json_answer("It does not, or not by all that it should know.", "Readiness"),
    }
    described = {"description": "This document.", "content": _content({"type": "object"})}
    return {
        "/metrics": _open("Prometheus", {"200": metrics}),
        "/readyz": _open(
            "Whether keys and revocations are at hand",
            ready,
            _parameter("exclude", "query", "`revocation-store`: fit without it, once it was read.")
            | {"schema": {"const": "revocation-store"}},
        ),
        PATH: _open("This document", {"200": described}),
        "/v1/keys": _at(_ADMIN, get=_guarded("Keys, without material", "Keys")),
        "/v1/hosts": _at(_ADMIN, get=_guarded("Hosts with rules of their own", "Hosts")),
        "/v1/explain": _at(
            _ADMIN, post=_guarded("Every step of a verdict", "Explanation", "ToExplain")
        ),
        "/v1/revocations": _revocations(),
        **{
            path: _open("A page, or one of its files", {"200": _FILE})
            for path in ("/", "/dashboard")
        },
    }


_FILE: Final = {"description": "HTML.", "content": _content(TEXT, "text/html")}


def _open(summary: str, responses: Json, *parameters: Json) -> Json:
    operation = {"summary": summary, "responses": _MALFORMED | responses}
    return _at(_ADMIN, get=operation | ({"parameters": [*parameters]} if parameters else {}))


def _guarded(summary: str, answered: str, asked: str | None = None) -> Json:
    refusals = (_BODY_REFUSALS if asked else _MALFORMED) | _UNAUTHORIZED | _REFUSED
    operation = {
        "summary": summary,
        "security": [{"admin": []}],
        "responses": refusals | {"200": _json_answer("The answer.", answered)},
    }
    if asked:
        operation["requestBody"] = {"required": True, "content": _content(ref(asked))}
    return operation


def _revocations() -> Json:
    away = {"503": _problem("The store is away; nothing has changed.", "Retry-After")}
    listed = _guarded("What has been taken back", "Revocations")
    added = _guarded("Take back", "Revocation", "Criteria")
    undone = _guarded("Undo; only the criteria count", "Revocation", "Criteria")
    for operation in (listed, added, undone):
        operation["responses"] |= away
    added["responses"]["201"] = added["responses"].pop("200")
    del undone["responses"]["200"]
    undone["responses"] |= {
        "204": {"description": "It holds no more."},
        "404": _problem("There is no such revocation."),
    }
    return _at(_ADMIN, get=listed, post=added, delete=undone)
