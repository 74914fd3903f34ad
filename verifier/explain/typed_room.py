"""Reads a room as people type it: a name, or a tenant and a name."""

from __future__ import annotations

from verifier.rooms.address import RoomAddress, room_name
from verifier.rooms.url import parse_target


class UnreadableError(ValueError):
    """The text is not what was expected; the message never quotes the text."""


def parse_room(text: str) -> RoomAddress:
    """Bring ``name`` or ``tenant/name``, as people write them, to the form that clients send.

    Raises:
        UnreadableError: The name has no such form, is too long for an address, or the tenant
            cannot be in a URL.
    """
    tenant, slash, room = text.rpartition("/")
    form = room_name(room)
    if form is None:
        raise UnreadableError("expected a name of at most 1,023 bytes that a client can send")
    if not slash:
        return RoomAddress(form)
    return RoomAddress(form, parse_tenant(tenant))


def parse_tenant(text: str) -> str:
    """Bring a tenant to the form that clients send.

    Raises:
        UnreadableError: The tenant cannot be in a URL.
    """
    target = parse_target(f"/{text}/room")
    if target is None or target.address is None or target.address.tenant is None:
        raise UnreadableError("expected one segment of a path, without special characters")
    return target.address.tenant
