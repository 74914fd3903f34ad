"""The API of a cluster in memory: enough for helm, kubectl and Traefik.

It stores what clients send, finds it again by name, label or namespace, and sends watchers each
change. It has no controllers: nothing runs, and a Deployment is complete at once. A server-side
apply replaces the object. Sources: the API concepts page of Kubernetes, and its API reference.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

import yaml

Object = dict[str, Any]


class Resource(NamedTuple):
    """One kind of object; ``plural`` is its name in paths."""

    version: str
    kind: str
    plural: str


_KINDS: Final = {
    "v1": "ConfigMap Secret Service ServiceAccount Pod Namespace Node Event",
    "apps/v1": "Deployment ReplicaSet StatefulSet",
    "autoscaling/v2": "HorizontalPodAutoscaler",
    "discovery.k8s.io/v1": "EndpointSlice",
    "networking.k8s.io/v1": "NetworkPolicy Ingress IngressClass",
    "policy/v1": "PodDisruptionBudget",
    "gateway.networking.k8s.io/v1": "Gateway HTTPRoute",
    "gateway.envoyproxy.io/v1alpha1": "SecurityPolicy ClientTrafficPolicy EnvoyProxy",
    "monitoring.coreos.com/v1": "ServiceMonitor PrometheusRule",
    "traefik.io/v1alpha1": "IngressRoute IngressRouteTCP IngressRouteUDP Middleware MiddlewareTCP"
    " TLSOption TLSStore ServersTransport ServersTransportTCP TraefikService",
}
_WITHOUT_NAMESPACE: Final = {"Namespace", "Node", "IngressClass"}
_PROTOBUF: Final = b"k8s\0"
_VERBS: Final = ["create", "delete", "get", "list", "patch", "update", "watch"]


def _plural(kind: str) -> str:
    name = kind.lower()
    if name.endswith("y"):
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith("s") else f"{name}s"


_RESOURCES: Final = {
    (version, _plural(kind)): Resource(version, kind, _plural(kind))
    for version, kinds in _KINDS.items()
    for kind in kinds.split()
}


class Cluster:
    """The objects of a cluster, and every change of them."""

    def __init__(self) -> None:
        self._objects: dict[tuple[Resource, str, str], Object] = {}
        self._changes: list[tuple[str, Resource, Object]] = []
        self._changed = threading.Condition()
        self._stopped = False

    def put(self, manifest: Object) -> Object:
        """Store an object in place of one of the same name."""
        resource = next(
            each
            for each in _RESOURCES.values()
            if (each.version, each.kind) == (manifest["apiVersion"], manifest["kind"])
        )
        return self.store(resource, manifest)

    def store(self, resource: Resource, manifest: Object) -> Object:
        """Store an object of this resource; return it as clients see it."""
        data = manifest["metadata"]
        key = (resource, data.get("namespace", ""), data["name"])
        with self._changed:
            before = self._objects.get(key)
            number = len(self._changes) + 1
            stored = manifest | {"apiVersion": resource.version, "kind": resource.kind}
            stored["metadata"] = {
                "uid": f"uid-{number}",
                "creationTimestamp": "2026-01-01T00:00:00Z",
            }
            stored["metadata"] |= data | {"resourceVersion": str(number), "generation": number}
            if "stringData" in stored:  # the server encodes it; no test reads it
                stored.pop("stringData")
            if resource.kind == "Deployment":
                ready = stored["spec"].get("replicas", 1)
                counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
                stored["status"] = dict.fromkeys(counts, ready) | {"observedGeneration": number}
            self._objects[key] = stored
            self._changes.append(("MODIFIED" if before else "ADDED", resource, stored))
            self._changed.notify_all()
        return stored

    def remove(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Delete an object, and return it."""
        with self._changed:
            removed = self._objects.pop((resource, namespace, name), None)
            if removed:
                self._changes.append(("DELETED", resource, removed))
                self._changed.notify_all()
        return removed

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return an object."""
        with self._changed:
            return self._objects.get((resource, namespace, name))

    def find(self, kind: str) -> list[Object]:
        """Return all objects of one kind."""
        with self._changed:
            return [each for (resource, *_), each in self._objects.items() if resource.kind == kind]

    def select(self, resource: Resource, namespace: str, query: dict[str, str]) -> list[Object]:
        """Return the objects of a namespace, or of all, that match the selectors of a query."""
        with self._changed:
            return [
                each
                for (found, space, _), each in self._objects.items()
                if found == resource and namespace in ("", space) and _matches(each, query)
            ]

    def number(self) -> int:
        """Return the number of changes so far: the resource version."""
        return len(self._changes)

    def changes(self, resource: Resource, since: int) -> Iterator[tuple[str, Object]]:
        """Yield each change of a resource after this version, until the cluster stops."""
        while not self._stopped:
            with self._changed:
                while len(self._changes) == since and not self._stopped:
                    self._changed.wait()
                new, since = self._changes[since:], len(self._changes)
            yield from ((event, each) for event, found, each in new if found == resource)

    def stop(self) -> None:
        """End every watch."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


def _matches(manifest: Object, query: dict[str, str]) -> bool:
    labels = manifest["metadata"].get("labels", {})
    for term in filter(None, query.get("labelSelector", "").split(",")):
        name, unequal, value = term.partition("!=")
        if not unequal:
            name, _, value = term.partition("=")
        if (labels.get(name) == value) == bool(unequal):
            return False
    name = query.get("fieldSelector", "").removeprefix("metadata.name=")
    return not name or "=" in name or manifest["metadata"]["name"] == name


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def log_message(self, *_: Any) -> None:
        """Write no log."""

    def _handle(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = url.path.strip("/").split("/")
        documents = _discovery()
        if url.path in documents:
            return self._send(200, documents[url.path])
        place = _place(parts)
        if place is None:
            return self._send(404, _status(404, "NotFound", url.path))
        return self._answer(place, query, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815  # names of http.server

    def _answer(self, place: _Place, query: dict[str, str], body: bytes) -> None:
        resource, namespace, name = place
        cluster = self.cluster
        if self.command == "GET" and not name:
            if query.get("watch") in ("true", "1"):
                return self._watch(resource, namespace, query)
            items = cluster.select(resource, namespace, query)
            listed = {"apiVersion": resource.version, "kind": f"{resource.kind}List"}
            version = {"resourceVersion": str(cluster.number())}
            return self._send(200, listed | {"metadata": version, "items": items})
        found = cluster.get(resource, namespace, name)
        if self.command == "GET" or (self.command == "DELETE" and not found):
            missing = _status(404, "NotFound", f'{resource.plural} "{name}" not found')
            return self._send(200 if found else 404, found or missing)
        if self.command == "DELETE":
            cluster.remove(resource, namespace, name)
            return self._send(200, _status(200, "", "deleted") | {"status": "Success"})
        given = _secret(body) if body.startswith(_PROTOBUF) else yaml.safe_load(body)
        is_merged = self.command == "PATCH" and "apply" not in self.headers["Content-Type"]
        if is_merged and found:
            given = _merged(found, given)
        if namespace:
            given["metadata"].setdefault("namespace", namespace)
        if query.get("dryRun"):
            return self._send(200, given)
        return self._send(200 if found else 201, cluster.store(resource, given))

    def _watch(self, resource: Resource, namespace: str, query: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        since = int(query.get("resourceVersion") or 0)
        try:
            if query.get("sendInitialEvents") == "true":
                since = self.cluster.number()
                for each in self.cluster.select(resource, namespace, query):
                    self._chunk("ADDED", each)
                data = {
                    "resourceVersion": str(since),
                    "annotations": {"k8s.io/initial-events-end": "true"},
                }
                kind = {"apiVersion": resource.version, "kind": resource.kind}
                self._chunk("BOOKMARK", kind | {"metadata": data})
            for event, each in self.cluster.changes(resource, since):
                if _matches(each, query):
                    self._chunk(event, each)
        except OSError:  # the client has gone
            self.close_connection = True

    def _chunk(self, event: str, manifest: Object) -> None:
        line = json.dumps({"type": event, "object": manifest}).encode() + b"\n"
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        self.wfile.flush()

    def _send(self, status: int, content: Object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


_Place = tuple[Resource, str, str]


def _place(parts: list[str]) -> _Place | None:
    """Return resource, namespace and name of a path; an empty word where the path has none."""
    version, rest = ("v1", parts[2:]) if parts[0] == "api" else ("/".join(parts[1:3]), parts[3:])
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource = _RESOURCES.get((version, rest[0])) if rest else None
    return (resource, namespace, rest[1] if len(rest) > 1 else "") if resource else None


def _merged(old: Any, new: Any) -> Any:
    """Return the result of a JSON merge patch (RFC 7396)."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    merged = {key: _merged(old.get(key), value) for key, value in new.items() if value is not None}
    return {key: value for key, value in old.items() if key not in new} | merged


def _fields(message: bytes) -> dict[int, list[bytes]]:
    """Return the fields of a protobuf message that are messages, texts or bytes, by number."""
    found: dict[int, list[bytes]] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte, at = message[at], at + 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = varint()
        length = varint()
        if key & 7 == 2:  # a length, then the bytes; every other field that is sent is a number
            found.setdefault(key >> 3, []).append(message[at : at + length])
            at += length
    return found


def _secret(body: bytes) -> Object:
    """Return a Secret that a client of Go has sent: the only kind that is sent as protobuf here.

    The numbers are those of ``runtime.Unknown``, ``Secret`` and ``ObjectMeta`` in the ``.proto``
    files of ``k8s.io/api`` and ``k8s.io/apimachinery``.
    """
    secret = _fields(_fields(body.removeprefix(_PROTOBUF))[2][0])
    data = _fields(secret[1][0])

    def table(entries: list[bytes]) -> dict[str, bytes]:
        pairs = [_fields(entry) for entry in entries]
        return {pair[1][0].decode(): pair.get(2, [b""])[0] for pair in pairs}

    metadata: Object = {"name": data[1][0].decode()}
    metadata["labels"] = {key: value.decode() for key, value in table(data.get(11, [])).items()}
    encoded = {
        key: base64.b64encode(value).decode() for key, value in table(secret.get(2, [])).items()
    }
    return {"metadata": metadata, "data": encoded, "type": secret[3][0].decode()}


def _status(code: int, reason: str, message: str) -> Object:
    kind = {"apiVersion": "v1", "kind": "Status", "status": "Failure"}
    return kind | {"code": code, "reason": reason, "message": message}


@cache
def _discovery() -> dict[str, Object]:
    """Return what the server says about its own API, by path."""
    documents: dict[str, Object] = {
        "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
    }
    groups, schemas = [], {}
    for version in _KINDS:
        group, _, number = version.rpartition("/")
        path = f"apis/{version}" if group else f"api/{version}"
        one = {"groupVersion": version, "version": number}
        if group:
            groups.append({"name": group, "versions": [one], "preferredVersion": one})
        resources = [each for each in _RESOURCES.values() if each.version == version]
        documents[f"/{path}"] = _resource_list(version, resources)
        schemas[path] = {"serverRelativeURL": f"/openapi/v3/{path}"}
        documents[f"/openapi/v3/{path}"] = _schema(group, number, resources)
    documents["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    documents["/openapi/v3"] = {"paths": schemas}
    return documents


def _resource_list(version: str, resources: list[Resource]) -> Object:
    listed = [
        {
            "name": each.plural,
            "singularName": each.kind.lower(),
            "namespaced": each.kind not in _WITHOUT_NAMESPACE,
            "kind": each.kind,
            "shortNames": ["deploy"] if each.kind == "Deployment" else [],
            "verbs": _VERBS,
        }
        for each in resources
    ]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": listed}


def _schema(group: str, number: str, resources: list[Resource]) -> Object:
    """Return the part of the OpenAPI document that kubectl reads.

    kubectl asks there whether the server checks fields itself.
    """
    paths = {
        f"/{each.plural}/{{name}}": {
            "patch": {
                "parameters": [{"name": "fieldValidation", "in": "query"}],
                "responses": {},
                "x-kubernetes-group-version-kind": {
                    "group": group,
                    "version": number,
                    "kind": each.kind,
                },
            }
        }
        for each in resources
    }
    return {"openapi": "3.0.0", "info": {"title": "cluster", "version": "1"}, "paths": paths}


@contextmanager
def kubernetes_api(folder: Path) -> Iterator[tuple[Cluster, Path]]:
    """Start the API on a free port; yield the cluster and a kubeconfig in the folder."""
    cluster = Cluster()
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    config = folder / "kubeconfig"
    config.write_text(json.dumps(_kubeconfig(server.server_port)), "utf-8")
    try:
        yield cluster, config
    finally:
        cluster.stop()
        server.shutdown()
        server.server_close()


def _kubeconfig(port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "memory",
        "contexts": [{"name": "memory", "context": {"cluster": "memory", "user": "test"}}],
        "clusters": [{"name": "memory", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "test", "user": {"token": "none"}}],
    }
