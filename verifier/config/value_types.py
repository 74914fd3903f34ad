"""The types of option values: how one value is written in TOML and in the environment.

A type knows no option by name, and no rule that needs two options. ``validate`` has those rules.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv6Address, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_args
from urllib.parse import urlsplit

from verifier.config.addresses import Network, parse_address
from verifier.config.redirect_template import has_stray_brace
from verifier.keys.model import ALGORITHMS
from verifier.keys.pem import looks_like_pem
from verifier.rooms.url import parse_url
from verifier.storage.redis_url import EXPECTED as REDIS_EXPECTED
from verifier.storage.redis_url import parse_redis_url

UNIX: Final = "unix"
"""Stands for every peer on a unix socket, because such a peer has no IP address."""

TRUE_WORDS: Final = ("1", "t", "true")
"""What docker-jitsi-meet\'s templates take for true, in lower case."""

_LABEL: Final = r"""[^\s.,;:*@/?#"'\[\]]+"""  # in any script
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_AUDIT_LOG: Final = re.compile(r"stdout|syslog|/[^\0]+")
_PATH: Final = re.compile(r"/[^\0]+")
_STORE: Final = re.compile(r"memory:|sqlite:///[^\0]+")
_COOKIE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110's token
_DECIMAL: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)
_INTEGER: Final = re.compile(r"[0-9]{1,18}")
_BEARER: Final = re.compile(r"[!-~]+")
# Of apps and of extensions of browsers: capacitor://localhost. The origin of a file is "null".
_APP_ORIGIN: Final = re.compile(r"(?!https?:|file:)[a-z][a-z0-9+.-]*://[a-z0-9._-]+")
_FALSE: Final = ("0", "f", "false")


class ListForm(StrEnum):
    """How several values of one option are written, in words."""

    SINGLE = "one value only"
    COMMAS = "an array in the file; values between commas in the environment"
    LINES = "an array in the file; one secret a line in a secret file"


def _show_value(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)


def _show_url(value: Any) -> str:
    """Hide the query string of a URL, because it may hold an access key."""
    before, mark, _query = _show_value(value).partition("?")
    return f"{before}?***" if mark else before


def _show_secret(value: Any) -> str:
    number = len(value) if isinstance(value, tuple) else 1
    return "set" if number == 1 else f"{number} of them set"


def _show_key_table(value: Mapping[str, str | Path]) -> str:
    return ", ".join(
        f"{key_id} ({item if isinstance(item, Path) else 'inline'})"
        for key_id, item in value.items()
    )


@dataclass(frozen=True, slots=True)
class ValueType:
    """A way of writing a value.

    Attributes:
        expected: What is right, in words; part of error messages and of the documentation.
        from_text: Reads an environment variable; raises ValueError.
        from_toml: Reads a TOML value of any type; raises ValueError.
        secret: Whether the value must never be shown.
        list_form: How several values are written.
        show: Returns a value that is in force as text, without any secret.
    """

    expected: str
    from_text: Callable[[str], Any]
    from_toml: Callable[[Any], Any]
    secret: bool = False
    list_form: ListForm = ListForm.SINGLE
    show: Callable[[Any], str] = _show_value


# Readers. Each reads one value and raises ValueError where the value is wrong.


def _only_string(read: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Make a reader that refuses every TOML value but a string."""

    def from_toml(value: Any) -> Any:
        if type(value) is not str:
            raise ValueError
        return read(value)

    return from_toml


def _string_or_array(read: Callable[[str], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Make a reader that takes a TOML string for an array of one, as Prosody does.

    An empty array is refused.
    """

    def from_toml(value: Any) -> tuple[Any, ...]:
        items = value if isinstance(value, list) else [value]
        if not items:
            raise ValueError
        return tuple(_only_string(read)(item) for item in items)

    return from_toml


def _between_commas(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    def from_text(text: str) -> tuple[Any, ...]:
        items = [item.strip() for item in text.split(",")]
        return _string_or_array(read)([item for item in items if item])

    return from_text


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError
    text.encode()  # raises UnicodeEncodeError: the environment can hold bytes that are not UTF-8
    return text


def _one_line(text: str) -> str:
    """Read a text that is compared with claims: a line break in it is always a mistake."""
    if "\n" in text or "\r" in text or "\0" in text:
        raise ValueError
    return _text(text)


def _secret(text: str) -> str:
    """Read a secret or a PEM text. A line break at an edge, or a NUL, is always a mistake."""
    if not looks_like_pem(text) and (text != text.strip("\r\n") or "\0" in text):
        raise ValueError
    return _pem_text(_text(text))


def _secret_line(text: str) -> str:
    """Read a secret or a PEM text of the environment, where a second line is a second secret."""
    if not looks_like_pem(text) and ("\n" in text or "\r" in text):
        raise ValueError
    return _secret(text)


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError
        return _text(text)

    return read


def _host(text: str) -> str:
    """Read a host name in lower case, as Prosody prepares XMPP domains for comparison."""
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


def _origin(text: str) -> str:
    """Read an origin as browsers write it: lower case, without the default port (RFC 6454, 6.2)."""
    if _APP_ORIGIN.fullmatch(text):
        return text
    url = parse_url(text)
    if url is None or text.count("/") != 2 or "?" in text or "#" in text or not url.host.isascii():
        raise ValueError
    host = f"[{IPv6Address(url.host[1:-1])}]" if url.host.startswith("[") else url.host
    is_default = url.port in (None, {"http": 80, "https": 443}[url.scheme])
    return f"{url.scheme}://{host}" if is_default else f"{url.scheme}://{host}:{url.port}"


def _redirect(text: str) -> str:
    """Read a template whose scheme and host are fixed; ``validate`` checks its placeholders."""
    parts = urlsplit(_url(text))
    fixed = parts.scheme == "https" and "{" not in parts.netloc and "}" not in parts.netloc
    if not fixed or "\\" in text or not text.isascii() or has_stray_brace(text):
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
    return _one_of(*TRUE_WORDS, *_FALSE)(text.lower()) in TRUE_WORDS


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value


def _whole_text(text: str) -> int:
    return _whole(int(_matching(_INTEGER)(text)))


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        raise ValueError
    return float(value)


def _number_text(text: str) -> float:
    return _number(float(_matching(_DECIMAL)(text)))


def _key_table(value: Any) -> Mapping[str, str | Path]:
    if not isinstance(value, dict) or not all(value):
        raise ValueError
    return MappingProxyType({key_id: _key_or_path(item) for key_id, item in value.items()})


def _key_or_path(value: Any) -> str | Path:
    text: str = _only_string(_text)(value)
    start = text.removeprefix("\ufeff").lstrip()
    return text if start.startswith(("-----BEGIN", "{")) else Path(text)


def _not_in_environment(_text: str) -> Any:
    raise ValueError


def _store(text: str) -> str:
    if _STORE.fullmatch(text) is None:
        parse_redis_url(text)
    return _text(text)


def _network(text: str) -> Network:
    """Read a network; ``ip_network`` refuses host bits that are set, because they are a mistake."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError  # a client's IPv4-mapped address is compared as an IPv4 address
    return network


def _proxy(text: str) -> Network | str:
    return UNIX if text == UNIX else _network(text)


# Types, each made of readers.


def _single(expected: str, read: Callable[[str], Any], *, secret: bool = False) -> ValueType:
    show = _show_secret if secret else _show_value
    return ValueType(expected, read, _only_string(read), secret=secret, show=show)


def _list(expected: str, read: Callable[[str], Any]) -> ValueType:
    return ValueType(
        expected, _between_commas(read), _string_or_array(read), list_form=ListForm.COMMAS
    )


def _number_type(
    expected: str,
    from_text: Callable[[str], float],
    from_toml: Callable[[Any], float],
    allowed: Callable[[float], bool],
) -> ValueType:
    def checked(read: Callable[[Any], float]) -> Callable[[Any], float]:
        def from_value(value: Any) -> float:
            number = read(value)
            if not allowed(number):
                raise ValueError
            return number

        return from_value

    return ValueType(expected, checked(from_text), checked(from_toml))


def _whole_number(expected: str, allowed: Callable[[float], bool]) -> ValueType:
    return _number_type(expected, _whole_text, _whole, allowed)


def _decimal(expected: str, allowed: Callable[[float], bool]) -> ValueType:
    return _number_type(expected, _number_text, _number, allowed)


def choice(literal: Any) -> ValueType:
    """Make the type of an option that is one of the words of a ``Literal``, in any case."""
    words: tuple[str, ...] = get_args(literal)
    expected = f"{', '.join(words[:-1])} or {words[-1]}"
    return _single(expected, lambda text: _one_of(*words)(text.lower()))


TEXT: Final = _single("a string that is not empty, on one line", _one_line)
SECRETS: Final = ValueType(
    "a string, or an array of strings, none of them empty",
    lambda text: (_secret_line(text),),
    _string_or_array(_secret),
    secret=True,
    list_form=ListForm.LINES,
    show=_show_secret,
)
BEARER_TOKEN: Final = _single(
    "a string of printable ASCII characters without blanks", _matching(_BEARER), secret=True
)
URL: Final = ValueType(
    "an http:// or https:// URL without user name, password or fragment",
    _url,
    _only_string(_url),
    show=_show_url,
)
URL_BASE: Final = _single(
    "an http:// or https:// URL without user name, password, query or fragment", _url_base
)
ORIGINS: Final = _list(
    "an origin such as https://portal.example.org (scheme, host, and the port if it is not the"
    " default one; no path, no *; an international name as xn--…), one or several",
    _origin,
)
REDIRECT: Final = _single(
    "an https:// URL without user name, password or fragment, with placeholders in braces only "
    "behind its host",
    _redirect,
)
KEY_TABLE: Final = ValueType(
    "a table that gives each key id a PEM text or the path of a file",
    _not_in_environment,
    _key_table,
    show=_show_key_table,
)
ALGORITHM_NAMES: Final = _list(
    f'one of {", ".join(sorted(ALGORITHMS))}, or several with rules = "strict"',
    _one_of(*ALGORITHMS),
)
STRINGS: Final = _list("a string, or an array of strings, none of them empty", _one_line)
HOST: Final = _single("a host name", _host)
COOKIE_NAME: Final = _single("the name of a cookie (letters, digits, - and _)", _matching(_COOKIE))
AUDIT_LOG: Final = _single("stdout, syslog or the absolute path of a file", _matching(_AUDIT_LOG))
ABSOLUTE_PATH: Final = _single("the absolute path of a file", _matching(_PATH))
STORE: Final = _single(
    f"memory:, sqlite:///absolute/path, {REDIS_EXPECTED}",
    _store,
    secret=True,  # the URL of a server may hold its password
)
BOOLEAN: Final = ValueType(
    "true or false (in the environment also 1, 0, t, f)", _boolean_text, _boolean
)
WHOLE_NUMBER: Final = ValueType("a whole number, 0 or more", _whole_text, _whole)
UP_TO_A_DAY: Final = _whole_number("a whole number, 0 to 86400", lambda n: n <= 86_400)
UP_TO_A_MILLION: Final = _whole_number("a whole number, 0 to 1000000", lambda n: n <= 1_000_000)
WORKERS: Final = _whole_number("a whole number, 1 to 64", lambda n: 1 <= n <= 64)
SECONDS: Final = ValueType("a number of seconds, 0 or more", _number_text, _number)
POSITIVE: Final = _decimal("a number greater than 0", lambda n: n > 0)
UP_TO_A_MINUTE: Final = _decimal("a number greater than 0, up to 60", lambda n: 0 < n <= 60)
ADDRESS: Final = _single(
    "HOST:PORT, [IPV6]:PORT (port 0 to 65535; [::]:PORT for every address) or unix:/absolute/path",
    parse_address,
)
ADDRESSES: Final = _list(f"{ADDRESS.expected}, one or several", parse_address)
NETWORKS: Final = _list("an IP address or a network such as 10.1.0.0/16, one or several", _network)
PROXIES: Final = _list(
    "an IP address, a network such as 127.0.0.0/8, or unix, one or several", _proxy
)
