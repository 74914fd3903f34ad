"""Reads the TOML file and the environment, option by option.

Each value is checked by itself here; ``validate`` checks what options mean together. A bad value is
recorded as a problem, and reading goes on, so that one error names every problem.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from verifier.config.option import Option
from verifier.config.options import CONFIG_VARIABLE, OPTIONS
from verifier.config.problems import Problem, shown, shown_name, shown_path, type_name
from verifier.config.value_types import ListForm
from verifier.keys.formats import split_secrets

ReadFile = Callable[[Path], bytes]

_BY_NAME: Final = {option.name: option for option in OPTIONS}
_BY_FILE_KEY: Final = {option.file_key: option for option in OPTIONS if option.file_key}
_TABLES: Final = sorted({option.table for option in OPTIONS} - {""})
_VARIABLES: Final = [
    CONFIG_VARIABLE,
    *(name for option in OPTIONS for name in (option.variable, option.file_variable) if name),
]
_PREFIX: Final = "VERIFIER_"
# Kubernetes sets these for a Service called verifier, verifier-admin and so on.
_PORT: Final = r"PORT(_[0-9]+_(TCP|UDP|SCTP))?"
_KUBERNETES: Final = re.compile(
    rf"{_PREFIX}(\w+_)?"
    rf"(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=.*|{_PORT}=\w+://.*|{_PORT}_(ADDR|PORT|PROTO)=.*)"
)
# A misspelt option of a table such as [policy] is an error, not a notice: the service would accept
# tokens that the operator wants to deny.
_OF_TABLE: Final = re.compile(rf"{_PREFIX}({'|'.join(_TABLES).upper()})_\w+")
_BLANKS_IN_LIST: Final = re.compile(r"\s,|,\s")
_ERROR_POSITION: Final = re.compile(r"\(at ([^()]*)\)$")


@dataclass(frozen=True, slots=True)
class GivenValue:
    """A good value and where it came from."""

    value: Any = field(repr=False)
    origin: str
    from_environment: bool


@dataclass(slots=True)
class ConfigInput:
    """What has been read so far.

    Attributes:
        read_file: Reads a secret's or key's file; raises OSError.
        given: Good values by option name; the environment's replace the file's.
        failed: Options with a bad value, which are not reported as missing, too.
        problems: Errors, each of which the operator must correct.
        notices: What an operator should know.
        files: Secret and key files that were named.
        path: The configuration file's path; empty without a file.
        hosts: The file's ``hosts``, not yet checked.
    """

    read_file: ReadFile
    given: dict[str, GivenValue] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    path: str = ""
    hosts: Any = field(default_factory=dict, repr=False)

    def has_bad_value(self, *names: str) -> bool:
        """Return whether any of these options has a bad value, and no good one that replaces it."""
        return any(name in self.failed and name not in self.given for name in names)

    def origin(self, name: str) -> str:
        """Return where an option's value came from, or could come from."""
        if name in self.given:
            return self.given[name].origin
        return _BY_NAME[name].variable or "not set"

    def add_problem(self, name: str, found: str, expected: str) -> None:
        """Add a problem of an option."""
        self.problems.append(Problem(name, self.origin(name), found, expected))

    def add_notice(self, name: str, text: str) -> None:
        """Add a notice about an option."""
        self.notices.append(f"{name} ({self.origin(name)}): {text}")


# The file.


def read_toml(path: Path, config: ConfigInput) -> None:
    """Read the configuration file."""
    document = _parse(path, config)
    if document is None:
        config.failed.update(_BY_NAME)
        return
    config.path, config.hosts = str(path), document.pop("hosts", {})
    read_table(document, str(path), config, tuple(_BY_NAME))


def read_table(
    table: Mapping[str, Any], origin: str, config: ConfigInput, names: Sequence[str]
) -> None:
    """Read a table of options, of which only ``names`` are allowed there."""
    file_keys = {key: option for key, option in _BY_FILE_KEY.items() if option.name in names}
    table = _flattened(table, origin, config)
    for key, value in table.items():
        if key in names:
            _take_toml(_BY_NAME[key], value, origin, config)
        elif key in _BY_NAME:
            expected = "it at the top of the file: it is the whole service's"
            config.problems.append(Problem(key, origin, "an option of one host", expected))
        elif key not in file_keys:
            nearest = _nearest(key, [*names, *file_keys])
            expected = f"the name of an option; the nearest is {nearest}"
            config.problems.append(Problem(shown_name(key), origin, "an unknown option", expected))
    for key, option in file_keys.items():
        if key in table:
            _take_file_key(option, key, table, origin, config)


def _flattened(table: Mapping[str, Any], origin: str, config: ConfigInput) -> dict[str, Any]:
    """Return a table in which the options of an inner table have dotted names."""
    flat = {key: value for key, value in table.items() if key not in _TABLES}
    for name in _TABLES:
        inner = table.get(name, {})
        if isinstance(inner, Mapping):
            flat |= {f"{name}.{key}": value for key, value in inner.items()}
        else:
            problem = Problem(name, origin, type_name(inner), "a table of options")
            config.problems.append(problem)
    return flat


def _parse(path: Path, config: ConfigInput) -> dict[str, Any] | None:
    try:
        return tomllib.loads(config.read_file(path).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        config.problems.append(
            Problem("", str(path), _describe_file_error(error), "a TOML file in UTF-8")
        )
        return None


def _describe_file_error(error: OSError | ValueError | RecursionError) -> str:
    """Return what is wrong with a file, without quoting from it."""
    if isinstance(error, RecursionError):
        return "tables or arrays nested too deep"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, tomllib.TOMLDecodeError):
        position = _ERROR_POSITION.search(str(error))
        return f"a syntax error at {position[1]}" if position else "a syntax error"
    # The path itself may hold a NUL character, which open() refuses with a ValueError.
    return "bytes that are not UTF-8" if isinstance(error, UnicodeError) else "no file's name"


def _take_toml(option: Option, value: Any, origin: str, config: ConfigInput) -> None:
    try:
        good = option.type.from_toml(value)
    except ValueError:
        _fail(option, origin, _found(option, value), config)
    else:
        config.given[option.name] = GivenValue(good, origin, from_environment=False)


def _take_file_key(
    option: Option, key: str, table: Mapping[str, Any], origin: str, config: ConfigInput
) -> None:
    value = table[key]
    if option.name in table:
        config.given.pop(option.name, None)
        _fail_both(option, key, option.name, origin, config)
    elif type(value) is not str or not value:
        config.failed.add(option.name)
        expected = "the path of a file"
        config.problems.append(Problem(key, origin, type_name(value), expected))
    else:
        _take_file(option, Path(value), f"{key} in {origin}", config)


# The environment.


def read_environment(environ: Mapping[str, str], config: ConfigInput) -> None:
    """Read the environment variables, docker-jitsi-meet's and this program's own."""
    for option in OPTIONS:
        if option.variable is None:
            continue
        text = environ.get(option.variable, "")
        path = unquoted(environ.get(option.file_variable or "", ""))
        if unquoted(text) and path:
            _fail_both(option, str(option.file_variable), option.variable, "environment", config)
        elif path:
            origin = str(option.file_variable)
            _take_file(option, Path(path), origin, config, from_environment=True)
        elif unquoted(text):
            _take_variable(option, option.variable, text, config)
    _check_unknown(environ, config)


def unquoted(text: str) -> str:
    """Strip blanks, and the quotes that ``docker run --env-file`` leaves around a value."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


def _take_variable(option: Option, variable: str, text: str, config: ConfigInput) -> None:
    bare = unquoted(text)
    if option.type.secret and bare == text.strip():
        bare = text  # without quotes, blanks are a part of a secret
    elif option.type.secret:
        config.notices.append(f"{variable}: the quotes around the value are not part of it")
    try:
        good = option.type.from_text(bare)
    except ValueError:
        _fail(option, variable, _found(option, bare), config)
        return
    config.given[option.name] = GivenValue(good, variable, from_environment=True)
    if option.type.list_form is ListForm.COMMAS and _BLANKS_IN_LIST.search(bare):
        config.notices.append(f"{variable}: blanks beside a comma are not part of a value")


def _check_unknown(environ: Mapping[str, str], config: ConfigInput) -> None:
    for name, value in sorted(environ.items()):
        if not name.startswith(_PREFIX) or name in _VARIABLES:
            continue
        if _KUBERNETES.fullmatch(f"{name}={value}"):
            continue
        nearest = _nearest(name, _VARIABLES)
        if _OF_TABLE.fullmatch(name):
            expected = f"a known one; the nearest is {nearest}"
            found = "an unknown policy option"
            config.problems.append(Problem(shown_name(name), "environment", found, expected))
        else:
            config.notices.append(
                f"{shown_name(name)}: not a known variable, ignored; the nearest is {nearest}"
            )


# Files with a secret, which the file or the environment names.


def _take_file(
    option: Option, path: Path, origin: str, config: ConfigInput, *, from_environment: bool = False
) -> None:
    """Take secrets from a file: one a line without the line's end, or a whole PEM block."""
    config.files.append(path)
    try:
        text = config.read_file(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        found = f"{shown_path(path)}: {_describe_file_error(error)}"
        _fail(option, origin, found, config, "a file of UTF-8 text that can be read")
        return
    lines = split_secrets(text)
    if any(line.startswith("#") for line in lines):
        expected = "secrets only, one a line: there are no comments"
        _fail(option, origin, "a line that begins with # (not shown)", config, expected)
        return
    if any(line != unquoted(line) for line in lines):
        config.notices.append(f"{origin}: blanks and quotes around a secret are part of it")
    try:
        good = option.type.from_toml(lines[0] if len(lines) == 1 else lines)
    except ValueError:
        found = f"{len(lines)} lines (not shown)" if lines else "an empty file"
        _fail(option, origin, found, config)
    else:
        config.given[option.name] = GivenValue(good, origin, from_environment)


# Problems.


def _found(option: Option, value: Any) -> str:
    if not option.type.secret:
        return shown(value)
    return "an empty string" if value == "" else f"{type_name(value)} (not shown)"


def _fail(
    option: Option, origin: str, found: str, config: ConfigInput, expected: str | None = None
) -> None:
    config.failed.add(option.name)
    expected = expected or option.type.expected
    config.problems.append(Problem(option.name, origin, found, expected))


def _fail_both(option: Option, first: str, second: str, origin: str, config: ConfigInput) -> None:
    _fail(option, origin, f"both {first} and {second}", config, "only one of them")


def _nearest(name: str, known: Iterable[str]) -> str:
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)[0]
