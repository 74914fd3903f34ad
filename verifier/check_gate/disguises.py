"""Signalling paths in disguise: written so that two programs may read them differently.

A gate that compares the path as the client wrote it, in front of a server that decodes it first,
lets such a path through without asking. Each is a path that at least one common server reads as
signalling. None may lead to Prosody or Jicofo without a token.
"""

from __future__ import annotations

from typing import Final

BOSH: Final = {
    "two slashes": "//http-bind",
    "a slash behind it": "/http-bind/",
    "dot segments behind a public folder": "/libs/../http-bind",
    "encoded dots": "/libs/%2e%2e/http-bind",
    "an encoded slash": "/static/..%2fhttp-bind",
    "dot segments behind a public file": "/config.js/../http-bind",
    "an encoded letter": "/%68ttp-bind",
    "upper case": "/HTTP-BIND",
    "a parameter": "/http-bind;x=1",
    "a parameter with dots": "/libs/..;/http-bind",
    "backslashes": "/libs\\..\\http-bind",
    "an encoded backslash": "/libs/..%5c../http-bind",
    "a public folder as tenant": "/libs/http-bind",
    "a line break behind a public file": "/config.js%0a/http-bind",
    "a line break below a public folder": "/libs/%0a/http-bind",
    "a public file behind it": "/http-bind%0a/config.js",
    "the keep-alive in front": "/_unlock/http-bind",
    "a fragment with a public file": "/http-bind#/config.js",
    "an encoded question mark": "/config.js%3f/../http-bind",
    "an encoded slash below a tenant": "/{tenant}%2fhttp-bind",
    "two tenants": "/{tenant}/x/http-bind",
    "a whole URL": "http://{host}/http-bind",
}
"""For each disguise its path of BOSH."""

WEBSOCKET: Final = {"the websocket with a public folder as tenant": "/colibri-ws/xmpp-websocket"}
ROOM_SIZE: Final = {"the room's size behind public files": "/_api/public/../room-info"}
CONFERENCE: Final = {
    "a conference request behind a public folder": "/libs/../conference-request/v1"
}
