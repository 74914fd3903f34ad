"""The hosts that the web client's ``config.js`` names.

Two notations are read: Debian's object (``hosts: { domain: 'meet.example.org', … }``) and docker's
assignments (``config.hosts.domain = 'meet.example.org'``). No JavaScript is executed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_NAMES: Final = "domain|anonymousdomain|authdomain"
_VALUE: Final = r"""\s{0,20}['"](?P<value>[^'"\n]{1,300})['"]"""
_ASSIGNED: Final = re.compile(rf"\bconfig\.hosts\.(?P<name>{_NAMES})\s{{0,20}}={_VALUE}")
_MEMBER: Final = re.compile(
    rf"^[ \t]{{0,40}}['\"]?(?P<name>{_NAMES})['\"]?\s{{0,20}}:{_VALUE}", re.MULTILINE
)
_COMMENT: Final = re.compile(r"^[ \t]*//[^\n]*|/\*(?:[^*]|\*(?!/))*+(?:\*/)?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The hosts of the web client.

    Attributes:
        domain: The host to which clients log in; None if it is not read here.
        guests: The host to which clients without a token log in; None without one.
        where: The file.
    """

    domain: str | None
    guests: str | None
    where: str


def read_web_config(text: str, file: str) -> WebConfig:
    """Read the content of ``config.js``; a later value replaces an earlier one."""
    bare = _COMMENT.sub("", text)
    found = [*_MEMBER.finditer(bare), *_ASSIGNED.finditer(bare)]
    hosts = {match["name"]: match["value"].lower() for match in found}
    return WebConfig(hosts.get("domain"), hosts.get("anonymousdomain"), file)
