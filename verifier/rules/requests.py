"""The question that every asker puts: this token, this room as Prosody would address it."""

from __future__ import annotations

from verifier.rooms.address import RoomAddress, parse_jid, room_jid, split_tenant
from verifier.rules.model import AccessRequest
from verifier.rules.policy import Policy


def access_request(token: str | None, address: RoomAddress | None, policy: Policy) -> AccessRequest:
    """Put the question.

    Args:
        token: The compact token; None for a guest.
        address: The room that a URL names; None where it names none, which is judged as that.
        policy: Where this host's rooms are. Without a MUC domain any host will do: nobody looks.
    """
    if address is None:
        return AccessRequest(token, "", "")
    host = policy.muc_mapper_domain or policy.muc_mapper_domain_prefix
    return AccessRequest(token, room_jid(address, host), address.tenant or "")


def jid_request(token: str | None, jid: str) -> AccessRequest:
    """Put the question about a room's XMPP address; the tenant in it is the one connected by."""
    parts = parse_jid(jid)
    tenant = split_tenant(parts.node)[0] if parts is not None and parts.node else None
    return AccessRequest(token, jid, tenant or "")
