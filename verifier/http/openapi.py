"""``GET /openapi.json`` on the admin address: everything that both addresses serve (OpenAPI 3.1).

It holds no secret and nothing of this deployment, and is open to whoever reaches the address. What
it says is held against the routes and against real answers (tests/openapi).
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

from aiohttp import web

from verifier.core.decision import Allow, DenialCode
from verifier.core.revocation import CRITERIA
from verifier.http.respond import identity
from verifier.shell.version import VERSION

PATH: Final = "/openapi.json"
_ANY_METHOD: Final = ("get", "head", "post", "put", "patch", "delete", "options", "trace")
_DECISIONS: Final = {"url": "http://127.0.0.1:8090", "description": "`listen`"}
_ADMIN: Final = {"url": "http://127.0.0.1:8091", "description": "`admin_listen`"}
_Json = dict[str, Any]

_TEXT: Final[_Json] = {"type": "string"}
_FLAG: Final[_Json] = {"type": "boolean"}
_NUMBER: Final[_Json] = {"type": "number"}
_TEXT_OR_NULL: Final[_Json] = {"type": ["string", "null"]}
_NUMBER_OR_NULL: Final[_Json] = {"type": ["number", "null"]}


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


def document() -> _Json:
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
        "components": {"schemas": _schemas(), "securitySchemes": {"admin": _ADMIN_TOKEN}},
    }


_ADMIN_TOKEN: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "`admin_token`; asks for nothing where there is none",
}


def _object(members: _Json, *required: str, more: Any = False) -> _Json:
    return {
        "type": "object",
        "properties": members,
        "required": list(required),
        "additionalProperties": more,
    }


def _answer_object(members: _Json) -> _Json:
    """Describe an object of which every member is always there."""
    return _object(members, *members)


def _schemas() -> _Json:
    code = {"enum": [*DenialCode]}
    criteria: _Json = dict.fromkeys(CRITERIA, _TEXT) | {
        "issued_before": _NUMBER,
        "token_digest": _TEXT | {"pattern": "^[0-9a-f]{64}$"},
    }
    step = {
        "name": _TEXT,
        "result": {"enum": ["pass", "fail", "not-reached"]},
        "expected": _TEXT_OR_NULL,
        "found": _TEXT_OR_NULL,
        "cure": _TEXT_OR_NULL,
    }
    problem = {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT}
    key = {
        "key_id": _TEXT_OR_NULL,
        "source": _TEXT,
        "algorithms": {"type": "array", "items": _TEXT},
        "fetched": _NUMBER,
        "expires": _NUMBER_OR_NULL,
        "fingerprint": _TEXT,
    }
    source = {
        "source": _TEXT,
        "state": _TEXT,
        "keys": {"type": "integer"},
        "last_success": _NUMBER_OR_NULL,
        "last_error": _TEXT_OR_NULL,
    }
    return {
        "DenialCode": code,
        "Problem": _object(problem | {"code": code}, *problem),
        "Question": _object(
            {
                "token": _TEXT_OR_NULL,
                "room_jid": _TEXT_OR_NULL,
                "query_prefix": _TEXT_OR_NULL,
                "host": _TEXT_OR_NULL,
                "room_requires_authentication": {"type": ["boolean", "null"]},
            },
            "token",
            more=_ref("Ignored"),
        ),
        "Ignored": {
            "description": "Whatever it is, it is ignored; numbers are below 2^63.",
            "oneOf": [
                {"type": ["string", "boolean", "null"]},
                {"type": "number", "exclusiveMinimum": -(2**63), "exclusiveMaximum": 2**63},
                {"type": "array", "items": _ref("Ignored")},
                {"type": "object", "additionalProperties": _ref("Ignored")},
            ],
        },
        "Verdict": _answer_object(
            {
                "allowed": _FLAG,
                "code": {"oneOf": [code, {"type": "null"}]},
                "error": _TEXT_OR_NULL,
                "reason": _TEXT_OR_NULL,
                "affiliation": {"enum": ["owner", "member", None]},
                "moderator": _FLAG,
                "tenant_mismatch": _FLAG,
                "expires": {"type": ["integer", "null"]},
                "session": {"type": ["object", "null"]},
            }
        ),
        "ToExplain": _object(
            dict.fromkeys(("token", "pasted", "url", "room_jid", "room", "host"), _TEXT_OR_NULL)
            | {"now": _NUMBER_OR_NULL},
            more=_ref("Ignored"),
        ),
        "Explanation": _answer_object(
            {
                "allowed": _FLAG,
                "code": _TEXT_OR_NULL,
                "steps": {"type": "array", "items": _answer_object(step)},
                "prosody": _answer_object({"error": _TEXT_OR_NULL, "reason": _TEXT_OR_NULL}),
                "notes": {"type": "array", "items": _TEXT},
                "now": _NUMBER,
                "host": _TEXT_OR_NULL,
                "room_jid": _TEXT_OR_NULL,
                "token": {"oneOf": [_ref("LaidOpen"), {"type": "null"}]},
            }
        ),
        "LaidOpen": _answer_object(
            {
                "header": {"type": ["object", "null"]},
                "claims": {"type": ["object", "null"]},
                "issued_at": _NUMBER_OR_NULL,
                "not_before": _NUMBER_OR_NULL,
                "expires": _NUMBER_OR_NULL,
                "moderator": _FLAG,
                "features": {"type": "object", "additionalProperties": _FLAG},
                "verified": _FLAG,
            }
        ),
        "Keys": _answer_object({"keys": {"type": "array", "items": _answer_object(key)}}),
        "Hosts": _answer_object({"hosts": {"type": "array", "items": _TEXT}, "strict": _FLAG}),
        "Readiness": _answer_object(
            {
                "ready": _FLAG,
                "sources": {"type": "array", "items": _answer_object(source)},
                "revocations": _TEXT,
            }
        ),
        "Criteria": _object(criteria | {"token": _TEXT, "reason": _TEXT, "expires": _NUMBER})
        | {
            "anyOf": [{"required": [name]} for name in ("token", *CRITERIA)],
            "dependentRequired": {"iss": ["issued_before"], "issued_before": ["iss"]},
        },
        "Revocation": _object(
            criteria | {"reason": _TEXT, "expires": _NUMBER}, "reason", "expires"
        ),
        "Revocations": _answer_object(
            {"revocations": {"type": "array", "items": _ref("Revocation")}}
        ),
    }


def _ref(name: str) -> _Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(schema: _Json, kind: str = "application/json") -> _Json:
    return {kind: {"schema": schema}}


def _json_answer(description: str, name: str) -> _Json:
    return {"description": description, "content": _content(_ref(name))}


def _problem(description: str, *headers: str) -> _Json:
    return {
        "description": description,
        "content": _content(_ref("Problem"), "application/problem+json"),
        "headers": {name: {"schema": _TEXT, "required": True} for name in headers},
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


def _parameter(name: str, place: str, description: str, *, required: bool = False) -> _Json:
    needed = required or place == "path"
    found = {"name": name, "in": place, "description": description, "required": needed}
    return found | {"schema": _TEXT}


def _decision_paths() -> _Json:
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


def _at(server: _Json, **methods: _Json) -> _Json:
    return {"servers": [server], **methods}


def _gate(summary: str, *parameters: _Json) -> _Json:
    """Describe a proxy's endpoint; it is asked by whatever method the proxy uses."""
    handoff = _parameter("X-Jitsi-Handoff", "header", "`1` where the proxy hands on a 303.")
    bearer = _parameter("Authorization", "header", "`Bearer` and the token, if not in the query.")
    operation = {
        "summary": summary,
        "parameters": [*parameters, bearer, handoff],
        "responses": _verdicts(),
    }
    return {"servers": [_DECISIONS], **dict.fromkeys(_ANY_METHOD, operation)}


def _verdicts() -> _Json:
    names = identity(Allow(), None)
    headers = {name: {"schema": _TEXT, "required": True} for name in names}
    return _MALFORMED | {
        "200": {"description": "Allowed, and who it is.", "headers": headers},
        "303": {"description": "Allowed; the token moves from the query to the fragment."},
        "401": _problem("No token, or not a good one.", "WWW-Authenticate", "X-Jitsi-Denial"),
        "403": _problem("A good token, but not for this.", "X-Jitsi-Denial"),
        "503": _problem("It cannot be judged now.", "Retry-After", "X-Jitsi-Denial"),
    }


def _verify() -> _Json:
    return {
        "summary": "Prosody's modules, and any program",
        "requestBody": {"required": True, "content": _content(_ref("Question"))},
        "responses": _BODY_REFUSALS
        | {
            "200": _json_answer("The verdict, whichever it is.", "Verdict"),
            "503": _json_answer("It cannot be judged now.", "Verdict"),
        },
    }


def _access() -> _Json:
    answer = _content(_answer_object({"access": _FLAG}))
    bearer = _parameter("Authorization", "header", "`Bearer` and the token.")
    return {
        "summary": "Jitsi's mod_muc_auth_ban",
        "parameters": [bearer],
        "responses": _MALFORMED | {"200": {"description": "Always.", "content": answer}},
    }


def _check_password() -> _Json:
    return _word("mod_auth_http: the token as a password") | {
        "parameters": [
            _parameter("pass", "query", "The token."),
            _parameter("user", "query", "Anything."),
            _parameter("server", "query", "The host whose rules judge."),
        ],
    }


def _word(summary: str) -> _Json:
    word = {"description": "The bare word.", "content": _content(_TEXT, "text/plain")}
    return {"summary": summary, "responses": _MALFORMED | {"200": word}}


def _asap() -> _Json:
    digest = _parameter("digest", "path", "SHA-256 of the key id, lower-case hex.")
    key = {"description": "A public key.", "content": _content(_TEXT, "application/x-pem-file")}
    return {
        "summary": "Jitsi, as its `asap_key_server`",
        "parameters": [digest],
        "responses": _MALFORMED | {"200": key, "404": _problem("No such key.")},
    }


def _healthz() -> _Json:
    alive = {"description": "Alive.", "content": _content(_TEXT, "text/plain")}
    operation = {"summary": "Load balancers", "responses": _MALFORMED | {"200": alive}}
    return {"servers": [_DECISIONS, _ADMIN], "get": operation}


def _admin_paths() -> _Json:
    metrics = {"description": "Prometheus' text format.", "content": _content(_TEXT, "text/plain")}
    ready = {
        "200": _json_answer("It judges.", "Readiness"),
        "503": _json_answer("It does not, or not by all that it should know.", "Readiness"),
    }
    described = {"description": "This document.", "content": _content({"type": "object"})}
    return {
        "/metrics": _open("Prometheus", {"200": metrics}),
        "/readyz": _open("Whether keys and revocations are at hand", ready),
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


_FILE: Final = {"description": "HTML.", "content": _content(_TEXT, "text/html")}


def _open(summary: str, responses: _Json) -> _Json:
    return _at(_ADMIN, get={"summary": summary, "responses": _MALFORMED | responses})


def _guarded(summary: str, answered: str, asked: str | None = None) -> _Json:
    refusals = (_BODY_REFUSALS if asked else _MALFORMED) | _UNAUTHORIZED | _REFUSED
    operation = {
        "summary": summary,
        "security": [{"admin": []}],
        "responses": refusals | {"200": _json_answer("The answer.", answered)},
    }
    if asked:
        operation["requestBody"] = {"required": True, "content": _content(_ref(asked))}
    return operation


def _revocations() -> _Json:
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
