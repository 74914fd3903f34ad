"""A request that an endpoint cannot read is told which header is wrong."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from tests.support.decision_listener import DecisionListener, Setup, receive
from tests.support.heads import ENDPOINTS, GOOD, HOST, Field, proxy_request, write_head
from verifier.http.decision_service import ProgramEndpoint
from verifier.http.original_request import CONVENTIONS
from verifier.observability.decision_metrics import ENDPOINTS as MEASURED
from verifier.observability.decision_metrics import PROXY_ENDPOINTS

URI, URL = f"/standup?jwt={GOOD}", f"https://{HOST}/standup?jwt={GOOD}"

NO_URI = "expected one X-Original-URI, found none"
NO_SLASH = "expected X-Original-URI to begin with a slash"
NO_URL = (
    "expected X-Original-URL to be an absolute http or https URL, without user name and fragment"
)


def test_metrics_know_every_endpoint() -> None:
    # Without this, every answer of a new endpoint would be a 500.
    assert {*MEASURED} == {*CONVENTIONS, *get_args(ProgramEndpoint)}
    assert {*PROXY_ENDPOINTS} == {*CONVENTIONS}


@pytest.mark.parametrize(
    ("endpoint", "fields", "detail"),
    [
        ("auth", [], NO_URI),
        (
            "auth",
            [("X-Forwarded-Uri", URI)],
            f"{NO_URI}; found X-Forwarded-Uri, which /forward-auth reads",
        ),
        (
            "auth",
            [("X-Original-URL", URL)],
            f"{NO_URI}; found X-Original-URL, which /auth-url reads",
        ),
        ("auth", [("X-Original-URI", URI)] * 2, "expected one X-Original-URI, found 2"),
        ("auth", [("X-Original-URI", URL)], f"{NO_SLASH}, found a URL"),
        ("auth", [("X-Original-URI", "")], f"{NO_SLASH}, found nothing"),
        ("auth", [("X-Original-URI", f"standup?jwt={GOOD}")], f"{NO_SLASH}, found another text"),
        (
            "auth",
            [("X-Original-URI", URI), *[("X-Original-Method", "GET")] * 3],
            "expected one X-Original-Method, found 3",
        ),
        ("auth-url", [], "expected one X-Original-URL, found none"),
        ("auth-url", [("X-Original-URL", URI)], f"{NO_URL}, found a path"),
        ("auth-url", [("X-Original-URL", f"{URL}#a")], f"{NO_URL}, found a URL"),
        (
            "forward-auth",
            [("X-Original-URI", URI)],
            "expected one X-Forwarded-Uri, found none; found X-Original-URI, which /auth reads",
        ),
        (
            "forward-auth",
            [("X-Forwarded-Uri", URI)],
            "expected one X-Forwarded-Host, found none",
        ),
        (
            "forward-auth",
            [("X-Forwarded-Uri", URI), ("X-Forwarded-Host", "a, b")],
            "expected a plain host in X-Forwarded-Host, with a port or without",
        ),
    ],
)
def test_denial_names_the_header_and_who_reads_another(
    endpoint: str, fields: list[Field], detail: str
) -> None:
    listener = DecisionListener(Setup())
    request = write_head("GET", f"/{endpoint}", [("Host", HOST), *fields])
    for response in receive(listener, request, request):
        body = json.loads(response.body)
        assert (body["code"], body["detail"]) == ("ambiguous-request", detail)
        assert detail in response.headers["WWW-Authenticate"]
        assert GOOD[:9] not in str(response)


def test_text_about_another_request_is_not_cached() -> None:
    listener, host = DecisionListener(Setup()), ("Host", HOST)
    for more, found in (([], "none"), ([("X-Forwarded-Uri", URI)], "which /forward-auth reads")):
        (response,) = receive(listener, write_head("GET", "/auth", [host, *more]))
        assert json.loads(response.body)["detail"].endswith(found)
    assert len(listener.cache) == 0


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_header_of_a_convention_is_named(endpoint: str) -> None:
    target, fields = proxy_request(endpoint)
    listener = DecisionListener(Setup())
    for left_out in fields:
        if left_out[0] == "Host":
            continue  # HTTP/1.1 needs it
        rest = [each for each in fields if each != left_out]
        (response,) = receive(listener, write_head("GET", target, rest))
        assert f"expected one {left_out[0]}, found none" in json.loads(response.body)["detail"]
