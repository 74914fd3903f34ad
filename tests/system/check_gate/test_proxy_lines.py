"""All proxies: the shipped files hold, and a missing or a wrong guard is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.jitsi import Jitsi
from tests.support.processes import free_port, running
from tests.system.check_gate.gates import Report, ask
from tests.system.check_gate.simulated import SIMULATED
from tests.system.nginx.sites import Sidecar
from tests.system.proxies.programs import NO_EDITS, OTHERS, PROXIES

OPEN, GOOD, GUEST = "Open to all", "With a good token", "Without a token"
DISGUISED, PREFLIGHT, REVEALED = "Disguised", "Pages of other origins", "What answers reveal"
FORGED, CACHED = "Forged request headers", "Cached answers"
FAILURE = "When the verifier cannot answer"

_OTHER_ROUTE = "      kind: HTTPRoute\n      name: jitsi-verifier-public\n"
_UNGATED = "        - jitsi-verifier-headers\n      service"

MISSING: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "Envoy Gateway: the gate": (
        "envoy-gateway",
        {"      kind: HTTPRoute\n      name: jitsi-verifier\n": _OTHER_ROUTE},
        GUEST,
    ),
    "Envoy Gateway: signalling is never public": (
        "envoy-gateway",
        {"'.*((?i)http-bind|xmpp-websocket|conference-request|room-info|": "'.*(never|"},
        DISGUISED,
    ),
    "Envoy Gateway: public paths": (
        "envoy-gateway",
        {"value: '/libs/.*'": "value: '/none/.*'"},
        OPEN,
    ),
    "Envoy Gateway: the referrer policy": (
        "envoy-gateway",
        {"name: Referrer-Policy": "name: X-Other"},
        REVEALED,
    ),
    "Envoy Gateway: the origin of preflights": (
        "envoy-gateway",
        {"      - Access-Control-Request-Method\n": ""},
        PREFLIGHT,
    ),
    "Traefik: the gate": (
        "traefik",
        {"        - jitsi-verifier-headers\n        - jitsi-verifier\n      service": _UNGATED},
        GUEST,
    ),
    "Traefik: signalling is never public": (
        "traefik",
        {"((?i)http-bind|xmpp-websocket|conference-request|room-info|": "(never|"},
        DISGUISED,
    ),
    "Traefik: the referrer policy": ("traefik", {"Referrer-Policy": "X-Other"}, REVEALED),
    "Traefik in Kubernetes: the gate": (
        "traefik-in-kubernetes",
        {"        - name: jitsi-verifier-headers\n        - name: jitsi-verifier\n": ""},
        GUEST,
    ),
    "Caddy: the gate in the site": ("caddy", {"\n\timport jitsi-verifier\n": "\n"}, GUEST),
    "Caddy: signalling is never public": (
        "caddy",
        {'\t\tnot vars_regexp {http.request.uri} "^[^?]*((?i)http-bind': "\t\t#"},
        DISGUISED,
    ),
    "Caddy: the page that ends a denied request": (
        "caddy",
        {"\t\t\t\timport jitsi-verifier-page {rp.status_code}\n": ""},
        GUEST,
    ),
    "Caddy: only these headers for the verifier": (
        "caddy",
        {"\t\t\theader_up -*\n": ""},
        GOOD,
    ),
    "Caddy: the host for the verifier": (
        "caddy",
        {"\t\t\theader_up +X-Forwarded-Host {http.request.hostport}\n": ""},
        GOOD,
    ),
    "Caddy: the token in Authorization": (
        "caddy",
        {"\t\t\theader_up Authorization {http.request.header.Authorization}\n": ""},
        GOOD,
    ),
    "Caddy: the origin of preflights": (
        "caddy",
        {"\t\t\theader_up Origin {http.request.header.Origin}\n": ""},
        PREFLIGHT,
    ),
    "Caddy: no-store": (
        "caddy",
        {"\theader Cache-Control no-store\n\theader Con": "\theader Con"},
        REVEALED,
    ),
    "Caddy: the referrer policy of pages": (
        "caddy",
        {"\theader >Referrer-Policy no-referrer\n\n\troute": "\n\troute"},
        REVEALED,
    ),
    "HAProxy: the gate": (
        "haproxy",
        {"    http-request lua.jitsi-verifier abns@": "    # abns@"},
        GUEST,
    ),
    "HAProxy: signalling is never public": (
        "haproxy",
        {"if jitsi_verifier_never_public or !jitsi_verifier_public": "if !jitsi_verifier_public"},
        DISGUISED,
    ),
    "HAProxy: public paths": (
        "haproxy",
        {" if jitsi_verifier_never_public or !jitsi_verifier_public": ""},
        OPEN,
    ),
    "HAProxy: the URL for the verifier": (
        "haproxy",
        {'        ["x-forwarded-uri"] = { txn.sf:pathq() },\n': ""},
        GOOD,
    ),
    "HAProxy: the host for the verifier": (
        "haproxy",
        {'        ["x-forwarded-host"] = values(sent, "host"),\n': ""},
        GOOD,
    ),
    "HAProxy: the token in Authorization": (
        "haproxy",
        {'        ["authorization"] = values(sent, "authorization"),\n': ""},
        GOOD,
    ),
    "HAProxy: the method of preflights": (
        "haproxy",
        {'        ["x-forwarded-method"] = { txn.sf:method() },\n': ""},
        PREFLIGHT,
    ),
    "HAProxy: no-store": (
        "haproxy",
        {'"retry-after", "content-type", "cache-control",\n': '"retry-after", "content-type",\n'},
        REVEALED,
    ),
    "HAProxy: the referrer policy": (
        "haproxy",
        {"    http-after-response set-header Referrer-Policy no-referrer\n": ""},
        REVEALED,
    ),
    "Envoy: signalling is never public": (
        "envoy",
        {"regex: '.*((?i)http-bind": "regex: 'none((?i)http-bind"},
        DISGUISED,
    ),
    "Envoy: public paths": ("envoy", {"regex: '/|/(favicon": "regex: 'none/(favicon"}, OPEN),
    "Envoy: the path of the verifier": (
        "envoy",
        {"                        path_prefix: /ext-authz\n": ""},
        GOOD,
    ),
    "Envoy: the origin of preflights": (
        "envoy",
        {"                          - exact: origin\n": ""},
        PREFLIGHT,
    ),
    "Envoy: the referrer policy": (
        "envoy",
        {"value: no-referrer }": "value: unsafe-url }"},
        REVEALED,
    ),
    "nginx: the URL of the client, not of a header": (
        "nginx",
        {
            "proxy_set_header X-Original-URI $request_uri;": (
                "set $asked $request_uri;\n"
                "if ($http_x_original_uri) { set $asked $http_x_original_uri; }\n"
                "proxy_set_header X-Original-URI $asked;"
            )
        },
        FORGED,
    ),
    "nginx: the method of the client, not of a header": (
        "nginx",
        {
            "proxy_set_header X-Original-Method $request_method;": (
                "set $asked $request_method;\n"
                "if ($http_x_original_method) { set $asked $http_x_original_method; }\n"
                "proxy_set_header X-Original-Method $asked;"
            )
        },
        FORGED,
    ),
    "nginx: the address of the client, not of a header": (
        "nginx",
        {"X-Real-IP $remote_addr;": "X-Real-IP $http_x_real_ip;"},
        FORGED,
    ),
    "nginx: no cache for denials": (
        "nginx",
        {
            "proxy_cache $jitsi_verifier_memory;": "proxy_cache jitsi_verifier_answers;",
            "proxy_cache_key $jitsi_verifier_question;": "proxy_cache_key $request_uri;",
            "proxy_ignore_headers Cache-Control Expires;": (
                "proxy_ignore_headers Cache-Control Expires X-Accel-Expires;"
            ),
            "proxy_cache_valid 200 0;": "proxy_cache_valid any 10s;",
        },
        CACHED,
    ),
    "nginx: denial if the verifier fails": (
        "nginx",
        {
            "error_page 500 =503 /_jitsi-verifier/$jitsi_verifier_language.html;": (
                "error_page 500 =200 @open;\n"
                "location @open { auth_request off; proxy_pass http://127.0.0.1:8000; }"
            )
        },
        FAILURE,
    ),
}
"""What is missing: the proxy, the edits of its files, and the group of a question that names it."""

AskGate = Callable[..., Report]


@pytest.fixture
def ask_gate(tmp_path: Path, sidecar: Sidecar, jitsi: Jitsi, config: Path) -> AskGate:
    """Return a function that asks a gate with these edits of the shipped files."""

    def call(name: str, edits: Mapping[str, str] = NO_EDITS) -> Report:
        start, changed = (PROXIES | OTHERS)[name], (edits,) if edits else ()
        with running(start(tmp_path / "proxy", sidecar.port, jitsi.port, *changed)) as proxy:
            return ask(proxy.port, config)

    return call


@pytest.mark.parametrize("name", [*PROXIES, *OTHERS])
def test_shipped_files_hold(ask_gate: AskGate, name: str) -> None:
    report = ask_gate(name)
    assert (report.questions("missed"), report.status) == ({}, 0)


@pytest.mark.parametrize("name", SIMULATED)
def test_simulated_proxies_hold(
    tmp_path: Path, sidecar: Sidecar, jitsi: Jitsi, config: Path, name: str
) -> None:
    with running(SIMULATED[name](tmp_path / "proxy", sidecar.port, jitsi.port)) as proxy:
        report = ask(proxy.port, config)
    assert (report.questions("missed"), report.status) == ({}, 0)


def test_report_only_mode_is_told(tmp_path: Path, jitsi: Jitsi, config: Path) -> None:
    reporting = tmp_path / "verifier.toml"
    reporting.write_text(f'mode = "report-only"\n{config.read_text()}')
    unset = {"JWT_APP_ID": "", "JWT_APP_SECRET": ""}
    sidecar = Sidecar(tmp_path, {"VERIFIER_CONFIG": str(reporting), **unset})
    sidecar.start()
    with (
        running(sidecar),
        running(PROXIES["nginx"](tmp_path / "proxy", sidecar.port, jitsi.port)) as proxy,
    ):
        report = ask(proxy.port, reporting)
    assert report.status == 1
    assert "report-only" in str(report.document["notes"])
    assert "Without a token: BOSH" in report.questions("missed")


@pytest.mark.parametrize("name", ["nginx", "caddy", "haproxy", "traefik"])
def test_gate_without_verifier_lets_no_question_in(
    tmp_path: Path, jitsi: Jitsi, config: Path, name: str
) -> None:
    """Envoy waits between its attempts, which takes most of a minute for all questions."""
    start = (PROXIES | OTHERS)[name]
    with running(start(tmp_path / "proxy", free_port(), jitsi.port)) as proxy:
        report = ask(proxy.port, config)
    cures = {each["cure"] for each in report.document["questions"] if each["verdict"] == "missed"}
    assert cures == {"the verifier or Jitsi does not answer: look at the logs of the proxy"}
    assert not [name for name in report.questions("holds") if name.startswith(GOOD)]
    found = {**report.questions("missed"), **report.questions("holds")}
    assert [each for each in found.values() if "Prosody" in each or "websocket" in each] == []
    assert report.status == 1


@pytest.mark.parametrize("missing", MISSING)
def test_missing_guard_is_named(ask_gate: AskGate, missing: str) -> None:
    name, edits, group = MISSING[missing]
    report = ask_gate(name, edits)
    assert report.status == 1
    assert any(question.startswith(group) for question in report.questions("missed"))
