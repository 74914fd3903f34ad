"""XMPP stanzas as XML elements, and what the tests read from them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

CLIENT = "jabber:client"
FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SM = "urn:xmpp:sm:3"
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"
MUC = "http://jabber.org/protocol/muc"
MUC_OWNER = "http://jabber.org/protocol/muc#owner"
JITMEET = "http://jitsi.org/jitmeet"

Element = ET.Element


def parse(text: str) -> Element:
    """Read one element."""
    return ET.fromstring(text)  # noqa: S314  # the tests' own Prosody wrote it


def name(element: Element) -> str:
    """Give its name without the namespace."""
    return element.tag.rpartition("}")[2]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A SASL failure or a stanza error.

    Attributes:
        condition: The defined condition.
        text: The text beside it.
        extra: The name of Jitsi's own element; None for none.
        type: A stanza error's type; empty for SASL.
    """

    condition: str
    text: str | None = None
    extra: str | None = None
    type: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """A join that worked, by the first presence of oneself."""

    affiliation: str
    role: str


def sasl_refusal(failure: Element) -> Refusal:
    """Read a SASL ``<failure/>``."""
    condition = next(child for child in failure if name(child) != "text")
    return Refusal(name(condition), failure.findtext(f"{{{SASL}}}text"))


def stanza_refusal(stanza: Element) -> Refusal:
    """Read a stanza of type ``error``."""
    error = stanza.find(f"{{{CLIENT}}}error")
    assert error is not None
    text = error.findtext(f"{{{STANZAS}}}text")
    condition = next(
        name(child)
        for child in error
        if child.tag.startswith(f"{{{STANZAS}}}") and name(child) != "text"
    )
    extra = next((name(child) for child in error if child.tag.startswith(f"{{{JITMEET}}}")), None)
    return Refusal(condition, text, extra, error.get("type", ""))


def join_result(presence: Element) -> Joined | Refusal:
    """Read the answer to a join."""
    if presence.get("type") == "error":
        return stanza_refusal(presence)
    item = presence.find(f"{{{MUC}#user}}x/{{{MUC}#user}}item")
    assert item is not None
    return Joined(item.attrib["affiliation"], item.attrib["role"])


def is_self_presence(stanza: Element) -> bool:
    """Say whether this is a presence of oneself in a room."""
    statuses = stanza.findall(f"{{{MUC}#user}}x/{{{MUC}#user}}status")
    return any(status.get("code") == "110" for status in statuses)


def join(room_jid: str, nick: str, password: str | None = None) -> str:
    """Write a join."""
    inner = f"<password>{escape(password)}</password>" if password else ""
    to = quoteattr(f"{room_jid}/{nick}")
    return f"<presence xmlns='{CLIENT}' to={to}><x xmlns='{MUC}'>{inner}</x></presence>"


def leave(room_jid: str, nick: str) -> str:
    """Write that somebody leaves."""
    to = quoteattr(f"{room_jid}/{nick}")
    return f"<presence xmlns='{CLIENT}' type='unavailable' to={to}/>"


def change_room(room_jid: str) -> str:
    """Write a change of a room's configuration."""
    form = "<x xmlns='jabber:x:data' type='submit'/>"
    query = f"<query xmlns='{MUC_OWNER}'>{form}</query>"
    to = quoteattr(room_jid)
    return f"<iq xmlns='{CLIENT}' type='set' id='change' to={to}>{query}</iq>"


def ping(host: str, identity: str) -> str:
    """Write a ping (XEP-0199)."""
    to, own = quoteattr(host), quoteattr(identity)
    return f"<iq xmlns='{CLIENT}' type='get' id={own} to={to}><ping xmlns='urn:xmpp:ping'/></iq>"
