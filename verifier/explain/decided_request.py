"""A request together with its decision: everything that suggestions and notes are made from."""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.keys.model import KeyLookup
from verifier.rooms.address import Jid, parse_jid, split_tenant
from verifier.rules.model import AccessRequest, Decision, DenialCode, Deny
from verifier.rules.policy import Policy
from verifier.tokens.claims import Claims, TokenHeader
from verifier.tokens.jws import NO_HEADER, Token


@dataclass(frozen=True, slots=True)
class DecidedRequest:
    """One request and the decision about it.

    Attributes:
        request: The token and the room.
        policy: The host's rules.
        keys: The keys that the rules could use.
        now: Unix time of the decision, seconds.
        token: The parsed token; None for a guest.
        decision: The decision of ``rules.decide``.
        step: The last step that the rules took, one of ``rules.STEPS``.
        checks_revocations: Whether the revocations were available to the rules.
    """

    request: AccessRequest
    policy: Policy
    keys: KeyLookup = field(repr=False)
    now: float
    token: Token | None
    decision: Decision
    step: str
    checks_revocations: bool = False

    @property
    def header(self) -> TokenHeader:
        """The token's header; empty if the header cannot be read."""
        if self.token is None:
            return NO_HEADER
        return self.token.header if self.token.header.raw else self.token.first_header

    @property
    def claims(self) -> Claims:
        """The token's claims; empty if the payload cannot be read."""
        return Claims({} if self.token is None else self.token.claims)

    @property
    def detail(self) -> str:
        """The denial's detail; empty for an allowed request."""
        return self.decision.detail if isinstance(self.decision, Deny) else ""

    @property
    def code(self) -> DenialCode | None:
        """The denial's code; None for an allowed request."""
        return self.decision.code if isinstance(self.decision, Deny) else None

    @property
    def cause(self) -> str:
        """Which of its code's causes the denial has; empty if the code has only one."""
        return self.decision.cause if isinstance(self.decision, Deny) else ""

    @property
    def jid(self) -> Jid | None:
        """The room's address; None if the request has no address or a malformed one."""
        return None if self.request.room_jid is None else parse_jid(self.request.room_jid)

    @property
    def room(self) -> str:
        """The room's name without its tenant; empty if the address names no room."""
        jid = self.jid
        return split_tenant(jid.node)[1] if jid is not None and jid.node is not None else ""

    @property
    def tenant(self) -> str | None:
        """The tenant in the room's address."""
        jid = self.jid
        return split_tenant(jid.node)[0] if jid is not None and jid.node is not None else None

    @property
    def needed_subject(self) -> str:
        """The narrowest ``sub`` that opens this room: its tenant, else its XMPP domain."""
        if self.tenant is not None:
            return self.tenant
        prefix = f"{self.policy.muc_mapper_domain_prefix}."
        if self.jid is not None and self.jid.host.startswith(prefix):
            return self.jid.host.removeprefix(prefix)
        # Jitsi cannot map another MUC domain to an XMPP domain, so only the wildcard passes there.
        return "*" if self.jid is not None else self.policy.muc_mapper_domain_base or "*"
