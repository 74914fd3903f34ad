"""How one value is written, in the file and in the environment, and what it means.

Knows no option by name and no rule that needs two of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

from verifier.config.addresses import Address, parse_address
from verifier.config.redirect_template import has_stray_brace
from verifier.keys.model import ALGORITHMS
from verifier.storage.redis_url import EXPECTED as REDIS_EXPECTED
from verifier.storage.redis_url import parse_redis_url

_LABEL: Final = r"""[^\s.,;:*@/?#"'\[\]]+"""  # in any script
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_AUDIT_LOG: Final = re.compile(r"stdout|syslog|/[^\0]+")
_STORE: Final = re.compile(r"memory:|sqlite:///[^\0]+")
_COOKIE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110's token
_DECIMAL: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
_BEARER: Final = re.compile(r"[!-~]+")
_TRUE: Final = ("1", "t", "true")  # what docker-jitsi-meet's templates read
_FALSE: Final = ("0", "f", "false")


@dataclass(frozen=True, slots=True)
class Kind:
    """A way of writing a value.

    Attributes:
        expected: What is right, in words.
        from_text: Reads an environment variable; raises ValueError.
        from_toml: Reads a TOML value of any type; raises ValueError.
        secret: Whether the value must never be shown.
        is_list: Whether the environment holds several values, between commas.
    """

    expected: str
    from_text: Callable[[str], Any]
    from_toml: Callable[[Any], Any]
    secret: bool = False
    is_list: bool = False


def _string(read: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Let only a TOML string through to ``read``."""

    def from_toml(value: Any) -> Any:
        if type(value) is not str:
            raise ValueError
        return read(value)

    return from_toml


def _strings(read: Callable[[str], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Take a TOML string for an array of one, as Prosody does; an array needs an item."""

    def from_toml(value: Any) -> tuple[Any, ...]:
        items = value if isinstance(value, list) else [value]
        if not items:
            raise ValueError
        return tuple(_string(read)(item) for item in items)

    return from_toml


def _between_commas(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    def from_text(text: str) -> tuple[Any, ...]:
        items = [item.strip() for item in text.split(",")]
        return _strings(read)([item for item in items if item])

    return from_text


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError
    text.encode()  # the environment can hold bytes that are no UTF-8
    return text


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError
        return _text(text)

    return read


def _host(text: str) -> str:
    """Read a host name; addresses are compared in lower case, as Prosody prepares them."""
    return _matching(_HOST)(text).lower()


def _url(text: str) -> str:
    parts = urlsplit(_text(text))
    wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    if wrong or "@" in parts.netloc or "#" in text or not text.isprintable() or " " in text:
        raise ValueError
    return text


def _url_base(text: str) -> str:
    if "?" in text:
        raise ValueError
    return _url(text)


def _redirect(text: str) -> str:
    """Read a template whose scheme and host stand; what braces hold is for the rules to judge."""
    parts = urlsplit(_url(text))
    settled = parts.scheme == "https" and "{" not in parts.netloc and "}" not in parts.netloc
    if not settled or "\\" in text or not text.isascii() or has_stray_brace(text):
        raise ValueError
    return text


def _pem_text(text: str) -> str:
    """Undo an environment file's escaped newlines, as Prosody's Lua configuration does."""
    return text.replace("\\n", "\n") if text.startswith("-----BEGIN") else text


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return read


def _boolean_text(text: str) -> bool:
    return _one_of(*_TRUE, *_FALSE)(text.lower()) in _TRUE


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _whole_text(text: str) -> int:
    return _whole(int(_matching(re.compile("[0-9]{1,18}"))(text)))


def _one_or_more(number: int) -> int:
    if number == 0:
        raise ValueError
    return number


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise ValueError
    return float(value)


def _number_text(text: str) -> float:
    return _number(float(_matching(_DECIMAL)(text)))


def _at_most(most: float, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def bounded(value: Any) -> Any:
        number = read(value)
        if number > most:
            raise ValueError
        return number

    return bounded


def _positive(value: Any) -> float:
    if _number(value) == 0:
        raise ValueError
    return float(value)


def _positive_text(text: str) -> float:
    return _positive(_number_text(text))


def _store(text: str) -> str:
    if _STORE.fullmatch(text) is None:
        parse_redis_url(text)
    return _text(text)


def _key_table(value: Any) -> Mapping[str, str | Path]:
    if not isinstance(value, dict) or not all(value):
        raise ValueError
    return MappingProxyType({kid: _key_or_path(item) for kid, item in value.items()})


def _key_or_path(value: Any) -> str | Path:
    text: str = _string(_text)(value)
    return text if text.lstrip().startswith(("-----BEGIN", "{")) else Path(text)


def _not_in_environment(_text: str) -> Any:
    raise ValueError


def choice(*words: str) -> Kind:
    """Make the kind of an option that is one of a few words, in any case."""

    def read(text: str) -> str:
        return _one_of(*words)(text.lower())

    expected = f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
    return Kind(expected, read, _string(read))


def _addresses() -> Kind:
    expected = "HOST:PORT, [IPV6]:PORT (port 0 to 65535) or unix:/absolute/path, one or several"
    read: Callable[[str], Address] = parse_address
    return Kind(expected, _between_commas(read), _strings(read), is_list=True)


def _network(text: str) -> IPv4Network | IPv6Network:
    """Read a network; host bits that are set are a mistake, not a wish."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError  # clients' addresses are compared as what they are
    return network


def _proxy(text: str) -> IPv4Network | IPv6Network | str:
    return UNIX if text == UNIX else _network(text)


UNIX: Final = "unix"
"""What stands for a peer on a unix socket, which has no address."""

TEXT: Final = Kind("a string that is not empty", _text, _string(_text))
SECRETS: Final = Kind(
    "a string, or an array of strings, none of them empty",
    lambda text: (_pem_text(_text(text)),),
    _strings(lambda text: _pem_text(_text(text))),
    secret=True,
)
BEARER_TOKEN: Final = Kind(
    "a string of printable ASCII characters without blanks",
    _matching(_BEARER),
    _string(_matching(_BEARER)),
    secret=True,
)
URL: Final = Kind(
    "an http:// or https:// URL without user name, password or fragment", _url, _string(_url)
)
URL_BASE: Final = Kind(
    "an http:// or https:// URL without user name, password, query or fragment",
    _url_base,
    _string(_url_base),
)
REDIRECT: Final = Kind(
    "an https:// URL without user name, password or fragment, with placeholders in braces only "
    "behind its host",
    _redirect,
    _string(_redirect),
)
KEY_TABLE: Final = Kind(
    "a table that gives each key id a PEM text or the path of a file",
    _not_in_environment,
    _key_table,
)
PINNED: Final = Kind(
    f'one of {", ".join(sorted(ALGORITHMS))}, or several with rules = "strict"',
    _between_commas(_one_of(*ALGORITHMS)),
    _strings(_one_of(*ALGORITHMS)),
    is_list=True,
)
STRINGS: Final = Kind(
    "a string, or an array of strings, none of them empty",
    _between_commas(_text),
    _strings(_text),
    is_list=True,
)
HOST: Final = Kind("a host name", _host, _string(_host))
COOKIE_NAME: Final = Kind(
    "the name of a cookie (letters, digits, - and _)",
    _matching(_COOKIE),
    _string(_matching(_COOKIE)),
)
AUDIT_LOG: Final = Kind(
    "stdout, syslog or the absolute path of a file",
    _matching(_AUDIT_LOG),
    _string(_matching(_AUDIT_LOG)),
)
STORE: Final = Kind(
    f"memory:, sqlite:///absolute/path, {REDIS_EXPECTED}",
    _store,
    _string(_store),
    secret=True,  # the URL of a server may hold its password
)
BOOLEAN: Final = Kind("true or false (in the environment also 1, 0, t, f)", _boolean_text, _boolean)
WHOLE_NUMBER: Final = Kind("a whole number, 0 or more", _whole_text, _whole)
UP_TO_A_DAY: Final = Kind(
    "a whole number, 0 to 86400", _at_most(86_400, _whole_text), _at_most(86_400, _whole)
)
UP_TO_A_MILLION: Final = Kind(
    "a whole number, 0 to 1000000", _at_most(1_000_000, _whole_text), _at_most(1_000_000, _whole)
)
WORKERS: Final = Kind(
    "a whole number, 1 to 64",
    _at_most(64, lambda text: _one_or_more(_whole_text(text))),
    _at_most(64, lambda value: _one_or_more(_whole(value))),
)
SECONDS: Final = Kind("a number of seconds, 0 or more", _number_text, _number)
POSITIVE: Final = Kind("a number greater than 0", _positive_text, _positive)
UP_TO_A_MINUTE: Final = Kind(
    "a number greater than 0, up to 60", _at_most(60, _positive_text), _at_most(60, _positive)
)
ADDRESSES: Final = _addresses()
ADDRESS: Final = Kind(
    "HOST:PORT, [IPV6]:PORT (port 0 to 65535) or unix:/absolute/path",
    parse_address,
    _string(parse_address),
)
NETWORKS: Final = Kind(
    "an IP address or a network such as 10.1.0.0/16, one or several",
    _between_commas(_network),
    _strings(_network),
    is_list=True,
)
PROXIES: Final = Kind(
    "an IP address, a network such as 127.0.0.0/8, or unix, one or several",
    _between_commas(_proxy),
    _strings(_proxy),
    is_list=True,
)
