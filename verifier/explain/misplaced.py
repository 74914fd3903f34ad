"""Finds claims that stand in the wrong place of a token, where no program reads them.

Most often one bracket is closed too late, so that ``iss`` stands within ``context``; or the whole
payload is wrapped in another object. Only claims that are missing in their own place are looked
for. The work is bounded: so many levels, and so many objects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from verifier.explain.wording import join_words, make_printable
from verifier.tokens.claims import Claims

_HOMES: Final = {
    "context": ("user", "features", "group", "tenant"),
    "context.user": ("moderator", "affiliation", "id", "name", "email", "avatar"),
    "context.features": ("recording", "livestreaming", "transcription", "outbound-call"),
}
"""The object that members belong into; elsewhere Jitsi ignores them."""
_OTHER_NAMES: Final = {
    "iss": ("issuer", "Iss", "ISS"),
    "aud": ("audience", "Aud", "AUD"),
    "sub": ("subject", "Sub", "SUB"),
    "room": ("roomName", "room_name", "Room", "ROOM"),
    "exp": ("expires", "expiresIn", "expires_in", "expiry", "expiration", "Exp", "EXP"),
    "nbf": ("notBefore", "not_before", "Nbf", "NBF"),
    "kid": ("keyId", "key_id", "keyid", "Kid", "KID"),
}
_MAX_OBJECTS: Final = 64
_MAX_DEPTH: Final = 6
_MAX_NAME: Final = 64  # characters of a name in a path


def find_place(name: str, claims: Claims, header: Mapping[str, Any]) -> str:
    """Return where a claim stands instead of the top level: ``context.user``; empty if nowhere.

    Args:
        name: A claim that the top level of the payload does not have.
        claims: The payload.
        header: The JOSE header, named ``the token's header`` in the result.
    """
    for path, members in _objects(claims.raw):
        if path and name in members and not (name == "room" and isinstance(members[name], dict)):
            return make_printable(path)
    return "the token's header" if name in header else ""


def describe_missing(name: str, claims: Claims, header: Mapping[str, Any]) -> str:
    """Return one sentence: why the token has no claim of this name."""
    place = find_place(name, claims, header)
    if place:
        return f"The claim {name} stands within {place}: {_mistake(place)}."
    other = next((other for other in _OTHER_NAMES.get(name, ()) if other in claims.raw), None)
    if other is not None:
        return f"The token has {other}, but the claim's name is {name}."
    return f"The token has no {name}."


def describe_missing_in_header(name: str, claims: Claims, header: Mapping[str, Any]) -> str:
    """Return one sentence: why the token's header has no parameter of this name."""
    if name in claims.raw:
        return (
            f"The parameter {name} stands within the payload, and it belongs into the token's"
            " header."
        )
    other = next((other for other in _OTHER_NAMES.get(name, ()) if other in header), None)
    if other is not None:
        return f"The token's header has {other}, but the parameter's name is {name}."
    return f"The token's header has no {name}."


def describe_missing_in_user(name: str, claims: Claims) -> str:
    """Return one sentence: where a member of ``context.user`` stands; empty if nowhere."""
    if name in claims.user:
        return ""
    for path, members in _objects(claims.raw):
        if path != "context.user" and name in members:
            place = make_printable(path) or "the top level of the token"
            return f"The claim {name} stands within {place}, and it belongs within context.user."
    return ""


def find_misplaced(claims: Claims, header: Mapping[str, Any]) -> Iterator[str]:
    """Yield a note for each claim that has no effect because of its place."""
    for name in ("exp", "nbf"):
        place = find_place(name, claims, header) if name not in claims.raw else ""
        if place:
            effect = "never ends the token" if name == "exp" else "does not delay the token"
            yield f"{name} stands within {place}, where it {effect}: {_mistake(place)}."
    place = find_place("context", claims, header) if "context" not in claims.raw else ""
    if place:
        yield f"context stands within {place}, where Jitsi ignores it: {_mistake(place)}."
    for home, names in _HOMES.items():
        yield from _find_away_from(home, names, claims)


def _find_away_from(home: str, names: tuple[str, ...], claims: Claims) -> Iterator[str]:
    """Yield a note for each object that has members which belong into another one."""
    objects = list(_objects(claims.raw))
    at_home = dict(objects).get(home, {})
    for path, members in objects:
        if path == home:
            continue
        found = [name for name in names if name in members and name not in at_home]
        away = [name for name in found if _is_meant(name, path, members[name])]
        if away:
            joined, verb, they, belong = _plural(away)
            place = f"within {make_printable(path)}" if path else "at the top level of the token"
            yield f"{joined} {verb} {place}, where Jitsi ignores {they}: {belong} within {home}."


def _is_meant(name: str, path: str, value: Any) -> bool:
    """Return whether a member seems to be meant for another object than its own."""
    if name in ("moderator", "affiliation"):
        return bool(path)  # ``notes`` has a note of its own on the top level
    if name in _HOMES["context.user"]:
        return path == "context" and isinstance(value, str)
    if name in _HOMES["context.features"]:
        return path in ("", "context", "context.user") and isinstance(value, (bool, str))
    if name in ("user", "features"):
        return path in ("", "context.user", "context.features") and isinstance(value, dict)
    return not path and isinstance(value, str)


def _plural(names: list[str]) -> tuple[str, str, str, str]:
    joined = join_words(names)
    if len(names) == 1:
        return joined, "stands", "it", "it belongs"
    return joined, "stand", "them", "they belong"


def _mistake(place: str) -> str:
    """Return how a claim comes to stand in a place."""
    if place == "the token's header":
        return "it belongs into the payload"
    if place.partition(".")[0] == "context":
        return "one bracket too late"
    return "one level too deep, and Jitsi reads it only at the top level of the token"


def _objects(raw: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each object of the payload with its path, outer objects first."""
    waiting: deque[tuple[str, Any, int]] = deque([("", raw, 0)])
    for _ in range(_MAX_OBJECTS):
        if not waiting:
            return
        path, value, depth = waiting.popleft()
        if isinstance(value, Mapping):
            yield path, value
            inner = [(f"{path}.{name[:_MAX_NAME]}", item) for name, item in value.items()]
        else:
            inner = [(f"{path}[{at}]", item) for at, item in enumerate(value[:_MAX_OBJECTS])]
        if depth < _MAX_DEPTH:
            containers = [(name, item) for name, item in inner if isinstance(item, (dict, list))]
            waiting.extend((name.lstrip("."), item, depth + 1) for name, item in containers)
