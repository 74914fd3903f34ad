"""``/openapi.json`` documents what is served: every route, status and member."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from inspect import getsource
from types import ModuleType
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.integration.attack.good_requests import AUTH, EXPLAIN_BODY, OPTIONS, VERIFY_BODY
from tests.support.processes import Answer, RunningVerifier, get, post, running_verifier
from verifier.http import decision_service, original_request, prosody_api, verify_api
from verifier.http.admin import api, explain
from verifier.http.admin.codes import CODES
from verifier.http.admin.dashboard import DASHBOARD
from verifier.http.admin.inspector import INSPECTOR
from verifier.http.responses import status_of
from verifier.http.verify_api import MEMBERS
from verifier.revocation import model
from verifier.rooms.url import EXT_AUTHZ_PREFIX
from verifier.rules.model import DenialCode
from verifier.version import VERSION

ADMIN_TOKEN = "an-admin-token-of-more-than-thirty-two-bytes"
BEARER = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
DOCUMENT = json.loads(files(api.__package__).joinpath("openapi.json").read_text())
ROUTE = re.compile(r"/(?:[a-z0-9_-]+/?)*(?:\.json)?")
# A schema cannot say whether a URL or a room can be read, so these may answer 400 to valid bodies.
CHECKED_BY_MEANING = {"/v1/explain", "/v1/revocations"}
# A decision endpoint has the same operation for all methods; GET is enough.
METHODS = {"get", "post", "delete"}
OPERATIONS = [
    pytest.param(path, method, server["url"].endswith("8091"), mode, id=f"{mode}-{method}-{path}")
    for path, item in DOCUMENT["paths"].items()
    for server in item["servers"]
    for method in item
    if method in METHODS
    for mode in ("positive", "negative")
    if mode == "positive" or "requestBody" in item[method]
]


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningVerifier]:
    options = OPTIONS | {"VERIFIER_ADMIN_TOKEN": ADMIN_TOKEN}
    with running_verifier(tmp_path_factory.mktemp("described"), None, wait=True, **options) as each:
        yield each
        assert '"event": "internal error"' not in each.log


def test_the_document_is_served_without_a_token(verifier: RunningVerifier) -> None:
    assert get(verifier.admin, "/openapi.json").json == DOCUMENT


def test_the_document_is_valid_openapi() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["version"] == VERSION
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def routes_of(*modules: ModuleType) -> set[str]:
    """Return every path that the source of a module names."""
    constants = [node for each in modules for node in ast.walk(ast.parse(getsource(each)))]
    texts = [node.value for node in constants if isinstance(node, ast.Constant)]
    return {text for text in texts if isinstance(text, str) and ROUTE.fullmatch(text)}


def test_the_documents_paths_are_the_routes() -> None:
    named = routes_of(api, decision_service) | {*original_request.PATHS, api.OPENAPI_PATH}
    pages = {
        path for path in (*CODES.bodies, *DASHBOARD.bodies, *INSPECTOR.bodies) if "." not in path
    }
    spelt = {f"{EXT_AUTHZ_PREFIX}/{{target}}", "/asap/{digest}.pem"}
    assert set(DOCUMENT["paths"]) == (named | pages | spelt) - {"/asap"}
    assert prosody_api.respond_key.__name__ in getsource(decision_service)


def read_from(name: str, source: str) -> set[str]:
    """Return the members that a source reads from the object of this name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case (
                ast.Call(
                    func=ast.Attribute(value=ast.Name(id=of), attr="get" | "pop" | "setdefault"),
                    args=[ast.Constant(value=str(member)), *_],
                )
                | ast.Subscript(value=ast.Name(id=of), slice=ast.Constant(value=str(member)))
                | ast.Compare(left=ast.Constant(value=str(member)), comparators=[ast.Name(id=of)])
            ) if of == name:
                found.add(member)
            case _:
                pass
    return found


def test_members_read_in_the_source_are_documented() -> None:
    read = {
        "VerifyRequest": read_from("members", getsource(verify_api)) | {*MEMBERS},
        "ExplainRequest": read_from("members", getsource(explain)) | {*explain._STRINGS},
        "Criteria": read_from("members", getsource(model)) | {*model._MEMBER_READERS},
    }
    schemas = DOCUMENT["components"]["schemas"]
    assert {name: {*schemas[name]["properties"]} for name in read} == read


def test_members_are_found_in_every_form_of_access() -> None:
    source = "a['b'], a.get('c'), a.pop('d', 1), 'e' in a, a.setdefault('f', 0), other['g'], 'h'"
    assert read_from("a", source) == {*"bcdef"}


def test_every_denial_code_and_status_is_documented() -> None:
    assert DOCUMENT["components"]["schemas"]["DenialCode"]["enum"] == [*DenialCode]
    for path in (*original_request.PATHS, f"{EXT_AUTHZ_PREFIX}/{{target}}"):
        described = DOCUMENT["paths"][path]["get"]["responses"]
        assert {str(status_of(code).value) for code in DenialCode} <= {*described}


@pytest.mark.parametrize(("path", "method", "admin_address", "mode"), OPERATIONS)
def test_generated_requests_get_documented_responses(
    verifier: RunningVerifier, path: str, method: str, admin_address: bool, mode: str
) -> None:
    load_all_checks()
    port = verifier.admin if admin_address else verifier.port
    item = {path: {name: each for name, each in DOCUMENT["paths"][path].items() if name == method}}
    schema = schemathesis.openapi.from_dict(DOCUMENT | {"paths": item})
    headers = BEARER if "security" in item[path][method] else None
    left_out: list[Any] | None = [positive_data_acceptance] if path in CHECKED_BY_MEANING else None
    url = f"http://127.0.0.1:{port}"

    @settings(
        max_examples=25,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(schema[path][method].as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def send(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(base_url=url, headers=headers, excluded_checks=left_out, timeout=20)

    send()


def test_members_of_real_requests_are_documented(verifier: RunningVerifier) -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["VerifyRequest"]["properties"].keys() == MEMBERS.keys()
    for name in schemas["ExplainRequest"]["properties"]:
        answer = asked(verifier, "/v1/explain", json.dumps({name: []}).encode())
        assert answer.status == 400
        assert name in answer.body
    assert "creates_room" in schemas["ExplainRequest"]["properties"]


def conforms(answer: Answer, name: str) -> None:
    schema = {"components": DOCUMENT["components"], "$ref": f"#/components/schemas/{name}"}
    Draft202012Validator(schema).validate(answer.json)


def asked(verifier: RunningVerifier, path: str, body: bytes) -> Answer:
    headers = BEARER | {"Content-Type": "application/json"}
    return post(verifier.port if path == "/v1/verify" else verifier.admin, path, body, headers)


def test_real_responses_conform(verifier: RunningVerifier) -> None:
    conforms(asked(verifier, "/v1/verify", VERIFY_BODY), "VerifyResponse")
    conforms(asked(verifier, "/v1/verify", b'{"token": "e30.e30.e30"}'), "VerifyResponse")
    conforms(asked(verifier, "/v1/explain", EXPLAIN_BODY), "Explanation")
    conforms(asked(verifier, "/v1/explain", b'{"token": null, "room": "a"}'), "Explanation")
    conforms(asked(verifier, "/v1/revocations", b'{"jti": "a", "reason": "b"}'), "Revocation")
    for path, name in (("keys", "Keys"), ("hosts", "Hosts"), ("revocations", "Revocations")):
        conforms(get(verifier.admin, f"/v1/{path}", BEARER), name)
    conforms(get(verifier.admin, "/readyz"), "Readiness")
    conforms(get(verifier.port, "/auth"), "Problem")


def test_an_allow_has_the_documented_headers(verifier: RunningVerifier) -> None:
    answer = get(verifier.port, AUTH.target, dict(AUTH.fields))
    assert DOCUMENT["paths"]["/auth"]["get"]["responses"]["200"] == {
        "$ref": "#/components/responses/Allowed"
    }
    described = DOCUMENT["components"]["responses"]["Allowed"]["headers"]
    assert answer.status == 200
    assert {name for name in answer.headers if name.startswith("X-Jitsi-")} == set(described)


def test_an_undocumented_member_is_noticed(verifier: RunningVerifier) -> None:
    answer: Any = asked(verifier, "/v1/verify", VERIFY_BODY)
    with pytest.raises(Exception, match="Additional properties"):
        conforms(Answer(200, {}, json.dumps(answer.json | {"more": 1})), "VerifyResponse")
