"""Everything that an explanation may look at: the question, what the token says, the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.keys.model import KeyLookup
from verifier.rooms.address import Jid, parse_jid, split_tenant
from verifier.rules.model import AccessRequest, Decision, Deny
from verifier.rules.policy import Policy
from verifier.tokens.claims import Claims, TokenHeader
from verifier.tokens.jws import Token


@dataclass(frozen=True, slots=True)
class DecidedRequest:
    """One judged request.

    Attributes:
        request: The question.
        policy: What is accepted.
        keys: The keys that were at hand.
        now: Unix time, seconds.
        token: The token taken apart; None where there was none.
        decision: The verdict.
        step: The last step that was taken, one of ``rules.STEPS``.
        revocations: Whether it is known what has been taken back.
    """

    request: AccessRequest
    policy: Policy
    keys: KeyLookup = field(repr=False)
    now: float
    token: Token | None
    decision: Decision
    step: str
    revocations: bool = False

    @property
    def header(self) -> TokenHeader:
        """The token's header; an empty one where it cannot be read."""
        if self.token is None:
            return TokenHeader({})
        return TokenHeader(self.token.header or self.token.prologue_header)

    @property
    def claims(self) -> Claims:
        """The token's claims; none where they cannot be read."""
        return Claims({} if self.token is None else self.token.claims)

    @property
    def detail(self) -> str:
        """What the denial says was expected and found; empty where there is none."""
        return self.decision.detail if isinstance(self.decision, Deny) else ""

    @property
    def jid(self) -> Jid | None:
        """The room's address; None where none was given, or it is no address."""
        return None if self.request.room_jid is None else parse_jid(self.request.room_jid)

    @property
    def room(self) -> str:
        """The room's name without its tenant; empty where the address names none."""
        jid = self.jid
        return split_tenant(jid.node)[1] if jid is not None and jid.node is not None else ""

    @property
    def tenant(self) -> str | None:
        """The tenant in the room's address."""
        jid = self.jid
        return split_tenant(jid.node)[0] if jid is not None and jid.node is not None else None

    @property
    def needed_subject(self) -> str:
        """The ``sub`` that opens this room alone: its tenant, or else its XMPP domain."""
        if self.tenant is not None:
            return self.tenant
        prefix = f"{self.policy.muc_mapper_domain_prefix}."
        if self.jid is not None and self.jid.host.startswith(prefix):
            return self.jid.host.removeprefix(prefix)
        return "*" if self.jid is not None else self.policy.muc_mapper_domain_base or "*"
