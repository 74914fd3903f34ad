"""The shapes of what is asked and answered, for ``openapi`` (JSON Schema 2020-12)."""

from __future__ import annotations

from typing import Any, Final

from verifier.revocation.model import CRITERIA
from verifier.rules.model import DenialCode

Json = dict[str, Any]

TEXT: Final[Json] = {"type": "string"}
FLAG: Final[Json] = {"type": "boolean"}
_NUMBER: Final[Json] = {"type": "number"}
_TEXT_OR_NULL: Final[Json] = {"type": ["string", "null"]}
_NUMBER_OR_NULL: Final[Json] = {"type": ["number", "null"]}
_FLAG_OR_NULL: Final[Json] = {"type": ["boolean", "null"]}


def _object(members: Json, *required: str, more: Any = False) -> Json:
    return {
        "type": "object",
        "properties": members,
        "required": list(required),
        "additionalProperties": more,
    }


def answer_object(members: Json) -> Json:
    """Describe an object of which every member is always there."""
    return _object(members, *members)


def schemas() -> Json:
    """Give every shape by its name."""
    code = {"enum": [*DenialCode]}
    criteria: Json = dict.fromkeys(CRITERIA, TEXT) | {
        "issued_before": _NUMBER,
        "token_digest": TEXT | {"pattern": "^[0-9a-f]{64}$"},
    }
    step = {
        "name": TEXT,
        "result": {"enum": ["pass", "fail", "not-reached"]},
        "expected": _TEXT_OR_NULL,
        "found": _TEXT_OR_NULL,
        "cure": _TEXT_OR_NULL,
    }
    problem = {"type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT}
    key = {
        "key_id": _TEXT_OR_NULL,
        "source": TEXT,
        "algorithms": {"type": "array", "items": TEXT},
        "fetched": _NUMBER,
        "expires": _NUMBER_OR_NULL,
        "fingerprint": TEXT,
    }
    source = {
        "source": TEXT,
        "state": TEXT,
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
                "room_requires_authentication": _FLAG_OR_NULL,
                "creates_room": _FLAG_OR_NULL,
                "admitted_before": _FLAG_OR_NULL,
            },
            "token",
            more=ref("Ignored"),
        ),
        "Ignored": {
            "description": "Whatever it is, it is ignored; numbers are below 2^63.",
            "oneOf": [
                {"type": ["string", "boolean", "null"]},
                {"type": "number", "exclusiveMinimum": -(2**63), "exclusiveMaximum": 2**63},
                {"type": "array", "items": ref("Ignored")},
                {"type": "object", "additionalProperties": ref("Ignored")},
            ],
        },
        "Verdict": answer_object(
            {
                "allowed": FLAG,
                "code": {"oneOf": [code, {"type": "null"}]},
                "error": _TEXT_OR_NULL,
                "reason": _TEXT_OR_NULL,
                "affiliation": {"enum": ["owner", "member", None]},
                "moderator": FLAG,
                "tenant_mismatch": FLAG,
                "expires": {"type": ["integer", "null"]},
                "session": {"type": ["object", "null"]},
            }
        ),
        "ToExplain": _object(
            dict.fromkeys(("token", "pasted", "url", "room_jid", "room", "host"), _TEXT_OR_NULL)
            | {"creates_room": _FLAG_OR_NULL, "now": _NUMBER_OR_NULL},
            more=ref("Ignored"),
        ),
        "Explanation": answer_object(
            {
                "allowed": FLAG,
                "code": _TEXT_OR_NULL,
                "steps": {"type": "array", "items": answer_object(step)},
                "prosody": answer_object({"error": _TEXT_OR_NULL, "reason": _TEXT_OR_NULL}),
                "notes": {"type": "array", "items": TEXT},
                "now": _NUMBER,
                "host": _TEXT_OR_NULL,
                "room_jid": _TEXT_OR_NULL,
                "token": {"oneOf": [ref("LaidOpen"), {"type": "null"}]},
            }
        ),
        "LaidOpen": answer_object(
            {
                "header": {"type": ["object", "null"]},
                "claims": {"type": ["object", "null"]},
                "issued_at": _NUMBER_OR_NULL,
                "not_before": _NUMBER_OR_NULL,
                "expires": _NUMBER_OR_NULL,
                "moderator": FLAG,
                "features": {"type": "object", "additionalProperties": FLAG},
                "verified": FLAG,
            }
        ),
        "Keys": answer_object({"keys": {"type": "array", "items": answer_object(key)}}),
        "Hosts": answer_object({"hosts": {"type": "array", "items": TEXT}, "strict": FLAG}),
        "Readiness": answer_object(
            {
                "ready": FLAG,
                "sources": {"type": "array", "items": answer_object(source)},
                "revocations": TEXT,
            }
        ),
        "Criteria": _object(
            criteria
            | {"token_digest": TEXT | {"pattern": "^([Ss][Hh][Aa]256:)?[0-9A-Fa-f]{64}$"}}
            | {"token": TEXT, "reason": TEXT, "expires": _NUMBER}
        )
        | {
            "anyOf": [{"required": [name]} for name in ("token", *CRITERIA)],
            "dependentRequired": {"iss": ["issued_before"], "issued_before": ["iss"]},
        },
        "Revocation": _object(criteria | {"reason": TEXT, "expires": _NUMBER}, "reason", "expires"),
        "Revocations": answer_object(
            {"revocations": {"type": "array", "items": ref("Revocation")}}
        ),
    }


def ref(name: str) -> Json:
    """Refer to a shape."""
    return {"$ref": f"#/components/schemas/{name}"}
