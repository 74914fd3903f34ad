"""Envoy's configuration that Envoy Gateway makes of the chart's resources.

The controller itself needs a cluster. This is what its translator does with the fields that the
chart uses (``internal/xds/translator``: ``listener``, ``route``, ``extauth``, ``header_mutation``;
``internal/gatewayapi/sort``; version 1.9). A field that is not known here is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.helm import Manifest

_TYPES = "type.googleapis.com/envoy.extensions"
_FILTERS = f"{_TYPES}.filters.http"
_AUTH = "envoy.filters.http.ext_authz/gate"
_ORDER = ("PathPrefix", "RegularExpression", "Exact")
_ACTIONS = {"DropHeader": "DROP_HEADER", "KeepUnchanged": "KEEP_UNCHANGED"}


def envoy_configuration(
    manifests: list[Manifest],
    port: int,
    sidecar: int,
    upstream: int,
    certificate: Path | None = None,
) -> dict[str, Any]:
    """Return Envoy's bootstrap configuration for the resources of one Gateway.

    Args:
        manifests: The resources.
        port: The port of Envoy.
        sidecar: The port of the verifier.
        upstream: The port of Jitsi.
        certificate: A PEM file with the certificate and its key; without it, Envoy serves http.
    """
    (client,), (policy,), (proxy,) = (
        [each["spec"] for each in manifests if each["kind"] == kind]
        for kind in ("ClientTrafficPolicy", "SecurityPolicy", "EnvoyProxy")
    )
    manager = _manager(client, proxy) | {
        "http_filters": [
            _header_mutation(client["headers"]["lateResponseHeaders"]),
            _ext_authz(policy["extAuth"]),
            {"name": "router", "typed_config": {"@type": f"{_FILTERS}.router.v3.Router"}},
        ],
        "route_config": {
            "virtual_hosts": [
                {"name": "jitsi", "domains": ["*"], "routes": _sorted_routes(manifests, policy)}
            ]
        },
    }
    listener = _listener(port, manager, certificate)
    settings = policy["extAuth"]["http"]["backendSettings"]
    idle = settings["timeout"]["http"]["connectionIdleTimeout"]
    clusters = [_cluster("jitsi", upstream, "3600s"), _cluster("verifier", sidecar, idle)]
    # The bootstrap of Envoy Gateway has no limit for patterns.
    layer = {"name": "re2", "static_layer": {"re2.max_program_size.error_level": 4294967295}}
    return {
        "layered_runtime": {"layers": [layer]},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


def _listener(port: int, manager: dict[str, Any], certificate: Path | None) -> dict[str, Any]:
    chain: dict[str, Any] = {"filters": [{"name": "manager", "typed_config": manager}]}
    if certificate:
        chain["transport_socket"] = _tls(str(certificate))
    return {"name": "https", "address": _address(port), "filter_chains": [chain]}


def _sorted_routes(manifests: list[Manifest], policy: Manifest) -> list[dict[str, Any]]:
    """Return Envoy's routes, those with the highest precedence first."""
    (target,) = policy["targetRefs"]
    assert (target["group"], target["kind"]) == ("gateway.networking.k8s.io", "HTTPRoute")
    routes = [
        route
        for manifest in manifests
        if manifest["kind"] == "HTTPRoute"
        for route in _routes(manifest, gated=manifest["metadata"]["name"] == target["name"])
    ]
    return [route for _, route in sorted(routes, key=lambda route: route[0], reverse=True)]


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _tls(file: str) -> dict[str, Any]:
    pair = {"certificate_chain": {"filename": file}, "private_key": {"filename": file}}
    kind = f"{_TYPES}.transport_sockets.tls.v3.DownstreamTlsContext"
    config = {"@type": kind, "common_tls_context": {"tls_certificates": [pair]}}
    return {"name": "tls", "typed_config": config}


def _cluster(name: str, port: int, idle: str) -> dict[str, Any]:
    options = {
        "@type": f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
        "common_http_protocol_options": {"idle_timeout": idle},
    }
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "typed_extension_protocol_options": {
            f"{_TYPES[20:]}.upstreams.http.v3.HttpProtocolOptions": options
        },
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


def _manager(client: Manifest, proxy: Manifest) -> dict[str, Any]:
    assert client.keys() == {"targetRefs", "path", "headers"}
    path, headers = client["path"], client["headers"]
    assert path.keys() == {"escapedSlashesAction", "disableMergeSlashes"}
    (settings,) = proxy["telemetry"]["accessLog"]["settings"]
    (sink,) = settings["sinks"]
    log = {
        "@type": f"{_TYPES}.access_loggers.file.v3.FileAccessLog",
        "path": sink["file"]["path"],
        "log_format": {"json_format": settings["format"]["json"]},
    }
    early = {
        "@type": f"{_TYPES}.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        "mutations": _mutations(headers["earlyRequestHeaders"]),
    }
    return {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "https",
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": not path["disableMergeSlashes"],
        "path_with_escaped_slashes_action": _ACTIONS[path["escapedSlashesAction"]],
        "server_header_transformation": "PASS_THROUGH",
        "common_http_protocol_options": {
            "headers_with_underscores_action": _ACTIONS[headers["withUnderscoresAction"]]
        },
        "early_header_mutation_extensions": [{"name": "early", "typed_config": early}],
        "access_log": [{"name": "log", "typed_config": log}],
    }


def _mutations(headers: dict[str, Any]) -> list[dict[str, Any]]:
    assert headers.keys() <= {"set", "remove", "removeOnMatch"}
    added = [
        {
            "append": {
                "header": {"key": each["name"], "value": each["value"]},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            }
        }
        for each in headers.get("set", [])
    ]
    matched = [
        {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": each["value"]}}}}
        for each in headers.get("removeOnMatch", [])
        if each["type"] == "RegularExpression"
    ]
    return [*added, *({"remove": name} for name in headers.get("remove", [])), *matched]


def _header_mutation(late: dict[str, Any]) -> dict[str, Any]:
    mutations = {"response_mutations": _mutations(late)}
    kind = f"{_FILTERS}.header_mutation.v3.HeaderMutation"
    return {"name": "late", "typed_config": {"@type": kind, "mutations": mutations}}


def _ext_authz(auth: dict[str, Any]) -> dict[str, Any]:
    http, known = auth["http"], {"failOpen", "statusOnError", "timeout", "headersToExtAuth", "http"}
    assert auth.keys() == known
    assert http.keys() == {"path", "backendRefs", "backendSettings", "headersToBackend"}
    retry = http["backendSettings"]["retry"]
    config = {
        "@type": f"{_FILTERS}.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "failure_mode_allow": auth["failOpen"],
        "status_on_error": {"code": auth["statusOnError"]},
        "allowed_headers": _names(auth["headersToExtAuth"]),
        "http_service": {
            "path_prefix": http["path"],
            "server_uri": {
                "uri": f"http://jitsi-verifier.jitsi:8090{http['path']}",
                "cluster": "verifier",
                "timeout": auth["timeout"],
            },
            "retry_policy": {
                "num_retries": retry["numRetries"],
                "retry_on": ",".join(retry["retryOn"]["triggers"]),
            },
            "authorization_response": {
                "allowed_upstream_headers": _names(http["headersToBackend"])
            },
        },
    }
    return {"name": _AUTH, "disabled": True, "typed_config": config}


def _names(names: list[str]) -> dict[str, Any]:
    return {"patterns": [{"exact": name, "ignore_case": True} for name in names]}


def _routes(manifest: Manifest, *, gated: bool) -> list[tuple[tuple[int, int], dict[str, Any]]]:
    """Return Envoy's routes, each with its precedence."""
    return [
        (
            (_ORDER.index(match["path"]["type"]), len(match["path"]["value"])),
            _route(rule, match["path"], gated=gated),
        )
        for rule in manifest["spec"]["rules"]
        for match in rule["matches"]
    ]


def _route(rule: dict[str, Any], path: dict[str, str], *, gated: bool) -> dict[str, Any]:
    assert rule.keys() <= {"matches", "filters", "backendRefs", "timeouts"}
    kind, value = path["type"], path["value"]
    matches = {
        "Exact": {"path": value},
        "RegularExpression": {"safe_regex": {"regex": value}},
        "PathPrefix": {"prefix": value},
    }
    assert kind != "PathPrefix" or value == "/"
    removed = [
        name for each in rule.get("filters", []) for name in each["requestHeaderModifier"]["remove"]
    ]
    route: dict[str, Any] = {
        "match": matches[kind],
        "route": {
            "cluster": "jitsi",
            "timeout": rule["timeouts"]["request"],
            "idle_timeout": "3600s",
            "upgrade_configs": [{"upgrade_type": "websocket"}],
        },
        "request_headers_to_remove": removed,
    }
    if gated:
        kind = f"{_FILTERS}.ext_authz.v3.ExtAuthzPerRoute"
        enabled = {"@type": kind, "check_settings": {}}
        route["typed_per_filter_config"] = {_AUTH: enabled}
    return route
