"""XMPP stanzas: functions that write them as text, and that read XML elements."""

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
    """Return the element in a text."""
    # Prosody 13 does not declare this prefix in a websocket frame.
    text = text.replace("<stream:error>", "<stream:error xmlns:stream='stream'>")
    return ET.fromstring(text)  # noqa: S314  # the tests' own Prosody wrote it


def name(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A SASL failure or a stanza error.

    Attributes:
        condition: The defined condition.
        text: The text beside it.
        extra: The name of Jitsi's own element, or None.
        type: The type of a stanza error; empty for SASL.
    """

    condition: str
    text: str | None = None
    extra: str | None = None
    type: str = ""


DROPPED = Refusal("dropped", None)
"""The server ended the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A successful join: affiliation and role in the first presence of the client itself."""

    affiliation: str
    role: str


def sasl_refusal(failure: Element) -> Refusal:
    """Return the refusal in a SASL ``<failure/>``."""
    condition = next(child for child in failure if name(child) != "text")
    return Refusal(name(condition), failure.findtext(f"{{{SASL}}}text"))


def stanza_refusal(stanza: Element) -> Refusal:
    """Return the refusal in a stanza of type ``error``."""
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
    """Return the outcome in the answer to a join."""
    if presence.get("type") == "error":
        return stanza_refusal(presence)
    item = presence.find(f"{{{MUC}#user}}x/{{{MUC}#user}}item")
    assert item is not None
    return Joined(item.attrib["affiliation"], item.attrib["role"])


def is_self_presence(stanza: Element) -> bool:
    """Return whether a stanza is the client's own presence in a room."""
    statuses = stanza.findall(f"{{{MUC}#user}}x/{{{MUC}#user}}status")
    return any(status.get("code") == "110" for status in statuses)


def is_join_answer(stanza: Element) -> bool:
    """Return whether a stanza answers a join."""
    return stanza.get("type") == "error" or is_self_presence(stanza)


def join(room_jid: str, nick: str, password: str | None = None) -> str:
    """Return a presence that joins a room."""
    inner = f"<password>{escape(password)}</password>" if password else ""
    to = quoteattr(f"{room_jid}/{nick}")
    return f"<presence xmlns='{CLIENT}' to={to}><x xmlns='{MUC}'>{inner}</x></presence>"


def leave(room_jid: str, nick: str) -> str:
    """Return a presence that leaves a room."""
    to = quoteattr(f"{room_jid}/{nick}")
    return f"<presence xmlns='{CLIENT}' type='unavailable' to={to}/>"


def change_room(room_jid: str) -> str:
    """Return a query that changes the configuration of a room."""
    form = "<x xmlns='jabber:x:data' type='submit'/>"
    query = f"<query xmlns='{MUC_OWNER}'>{form}</query>"
    to = quoteattr(room_jid)
    return f"<iq xmlns='{CLIENT}' type='set' id='change' to={to}>{query}</iq>"


def ping(host: str, identity: str) -> str:
    """Return a ping (XEP-0199)."""
    to, own = quoteattr(host), quoteattr(identity)
    return f"<iq xmlns='{CLIENT}' type='get' id={own} to={to}><ping xmlns='urn:xmpp:ping'/></iq>"
