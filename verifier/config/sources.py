"""The file and the environment, read option by option.

Each value is judged alone here; what options mean together is ``rules``' business.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from verifier.config.options import CONFIG_VARIABLE, OPTIONS, Option
from verifier.config.problems import Problem, kind_of, shown, shown_name, shown_path
from verifier.keys.formats import split_secrets

ReadFile = Callable[[Path], bytes]

_BY_NAME: Final = {option.name: option for option in OPTIONS}
_FILE_NAMES: Final = {option.file_name: option for option in OPTIONS if option.file_name}
_VARIABLES: Final = [
    CONFIG_VARIABLE,
    *(name for option in OPTIONS for name in (option.env, option.file_env) if name),
]
_PORT: Final = r"PORT(_[0-9]+_(TCP|UDP|SCTP))?"
_KUBERNETES: Final = re.compile(
    r"VERIFIER_(\w+_)?"
    rf"(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=.*|{_PORT}=\w+://.*|{_PORT}_(ADDR|PORT|PROTO)=.*)"
)
"""What Kubernetes sets for a Service called verifier, or verifier-admin, and so on."""
_HOUSE_RULE: Final = re.compile(r"VERIFIER_POLICY_\w+")
"""A misspelt one would let in what its author relies on being refused: no notice is enough."""
_POLICY: Final = "policy"
_BLANKS_IN_LIST: Final = re.compile(r"\s,|,\s")


@dataclass(frozen=True, slots=True)
class Given:
    """A good value and where it came from."""

    value: Any = field(repr=False)
    origin: str
    from_environment: bool


@dataclass(slots=True)
class Reading:
    """What has been read so far.

    Attributes:
        read_file: Reads a secret's or key's file; raises OSError.
        given: Good values by option name; the environment's over the file's.
        failed: Options of which a bad value was found, so that they are not called missing.
        problems: What must be mended.
        notices: What an operator should know.
        files: Secret and key files that were named.
        config: The configuration file, in words.
        hosts: The file's ``hosts``, as it stands.
    """

    read_file: ReadFile
    given: dict[str, Given] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    config: str = ""
    hosts: Any = field(default_factory=dict, repr=False)

    def is_unsure(self, *names: str) -> bool:
        """Tell whether any of these options was meant to have a value that is not known."""
        return any(name in self.failed and name not in self.given for name in names)

    def origin(self, name: str) -> str:
        """Say where an option's value came from, or could come from."""
        option = _BY_NAME[name]
        return self.given[name].origin if name in self.given else option.env or "not set"

    def refuse(self, name: str, found: str, expected: str) -> None:
        """Note a problem of an option."""
        self.problems.append(Problem(name, self.origin(name), found, expected))

    def notice(self, name: str, text: str) -> None:
        """Note what an operator should know of an option."""
        self.notices.append(f"{name} ({self.origin(name)}): {text}")


def read_toml(path: Path, reading: Reading) -> None:
    """Read the configuration file."""
    document = _parse(path, reading)
    if document is None:
        reading.failed.update(_BY_NAME)
        return
    reading.config, reading.hosts = str(path), document.pop("hosts", {})
    read_table(document, str(path), reading, tuple(_BY_NAME))


def read_table(
    table: Mapping[str, Any], origin: str, reading: Reading, names: Sequence[str]
) -> None:
    """Read a table of options, of which only ``names`` belong there."""
    files = {file: option for file, option in _FILE_NAMES.items() if option.name in names}
    table = _flattened(table, origin, reading)
    for key, value in table.items():
        if key in names:
            _take_toml(_BY_NAME[key], value, origin, reading)
        elif key in _BY_NAME:
            expected = "it at the top of the file: it is the whole service's"
            reading.problems.append(Problem(key, origin, "an option of one host", expected))
        elif key not in files:
            nearest = _nearest(key, [*names, *files])
            expected = f"the name of an option; the nearest is {nearest}"
            reading.problems.append(Problem(shown_name(key), origin, "an unknown option", expected))
    for file_key, option in files.items():
        if file_key in table:
            _take_file_key(option, file_key, table, origin, reading)


def _flattened(table: Mapping[str, Any], origin: str, reading: Reading) -> dict[str, Any]:
    """Name the options of a table within by their dotted keys, as TOML may write them itself."""
    flat = {key: value for key, value in table.items() if key != _POLICY}
    inner = table.get(_POLICY, {})
    if isinstance(inner, Mapping):
        return flat | {f"{_POLICY}.{key}": value for key, value in inner.items()}
    reading.problems.append(Problem(_POLICY, origin, kind_of(inner), "a table of options"))
    return flat


def _parse(path: Path, reading: Reading) -> dict[str, Any] | None:
    try:
        return tomllib.loads(reading.read_file(path).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        reading.problems.append(Problem("", str(path), _trouble(error), "a TOML file in UTF-8"))
        return None


def _trouble(error: OSError | ValueError | RecursionError) -> str:
    """Say what is wrong with a file without quoting from it."""
    if isinstance(error, RecursionError):
        return "tables or arrays nested too deep"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, tomllib.TOMLDecodeError):
        place = re.search(r"\(at ([^()]*)\)$", str(error))
        return f"a syntax error at {place[1]}" if place else "a syntax error"
    return "bytes that are not UTF-8" if isinstance(error, UnicodeError) else "no file's name"


def _take_toml(option: Option, value: Any, origin: str, reading: Reading) -> None:
    try:
        good = option.kind.from_toml(value)
    except ValueError:
        _fail(option, origin, _found(option, value), reading)
    else:
        reading.given[option.name] = Given(good, origin, from_environment=False)


def _take_file_key(
    option: Option, key: str, document: Mapping[str, Any], origin: str, reading: Reading
) -> None:
    value = document[key]
    if option.name in document:
        reading.given.pop(option.name, None)
        _fail_both(option, key, option.name, origin, reading)
    elif type(value) is not str or not value:
        reading.failed.add(option.name)
        expected = "the path of a file"
        reading.problems.append(Problem(key, origin, kind_of(value), expected))
    else:
        _take_file(option, Path(value), f"{key} in {origin}", reading)


def read_environment(environ: Mapping[str, str], reading: Reading) -> None:
    """Read the environment variables, docker-jitsi-meet's and this program's own."""
    for option in OPTIONS:
        if option.env is None:
            continue
        text = environ.get(option.env, "")
        path = unquoted(environ.get(option.file_env, "")) if option.file_env else ""
        if unquoted(text) and path:
            _fail_both(option, str(option.file_env), option.env, "environment", reading)
        elif path:
            _take_file(option, Path(path), str(option.file_env), reading, from_environment=True)
        elif unquoted(text):
            _take_variable(option, option.env, text, reading)
    _notice_unknown(environ, reading)


def unquoted(text: str) -> str:
    """Strip blanks, and the quotes that ``docker run --env-file`` leaves around a value."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


def _take_variable(option: Option, name: str, text: str, reading: Reading) -> None:
    bare = unquoted(text)
    if option.kind.secret and bare == text.strip():
        bare = text  # without quotes, blanks are a part of a secret
    elif option.kind.secret:
        reading.notices.append(f"{name}: the quotes around the value are not part of it")
    try:
        good = option.kind.from_text(bare)
    except ValueError:
        _fail(option, name, _found(option, bare), reading)
        return
    reading.given[option.name] = Given(good, name, from_environment=True)
    if option.kind.is_list and _BLANKS_IN_LIST.search(bare):
        reading.notices.append(f"{name}: blanks beside a comma are not part of a value")


def _take_file(
    option: Option, path: Path, origin: str, reading: Reading, *, from_environment: bool = False
) -> None:
    """Take a secret from a file: one a line, or a whole PEM block, less the ends of lines."""
    reading.files.append(path)
    try:
        text = reading.read_file(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        found = f"{shown_path(path)}: {_trouble(error)}"
        _fail(option, origin, found, reading, "a file of UTF-8 text that can be read")
        return
    lines = split_secrets(text)
    if any(line.startswith("#") for line in lines):
        expected = "secrets only, one a line: there are no comments"
        _fail(option, origin, "a line that begins with # (not shown)", reading, expected)
        return
    if any(line != unquoted(line) for line in lines):
        reading.notices.append(f"{origin}: blanks and quotes around a secret are part of it")
    try:
        good = option.kind.from_toml(lines[0] if len(lines) == 1 else lines)
    except ValueError:
        found = f"{len(lines)} lines (not shown)" if lines else "an empty file"
        _fail(option, origin, found, reading)
    else:
        reading.given[option.name] = Given(good, origin, from_environment)


def _found(option: Option, value: Any) -> str:
    if not option.kind.secret:
        return shown(value)
    return "an empty string" if value == "" else f"{kind_of(value)} (not shown)"


def _fail(
    option: Option, origin: str, found: str, reading: Reading, expected: str | None = None
) -> None:
    reading.failed.add(option.name)
    expected = expected or option.kind.expected
    reading.problems.append(Problem(option.name, origin, found, expected))


def _fail_both(option: Option, first: str, second: str, origin: str, reading: Reading) -> None:
    _fail(option, origin, f"both {first} and {second}", reading, "only one of them")


def _nearest(name: str, known: Iterable[str]) -> str:
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.0)[0]


def _notice_unknown(environ: Mapping[str, str], reading: Reading) -> None:
    for name, value in sorted(environ.items()):
        ours = name.startswith("VERIFIER_") and name not in _VARIABLES
        if ours and _KUBERNETES.fullmatch(f"{name}={value}") is None:
            nearest = _nearest(name, _VARIABLES)
            if _HOUSE_RULE.fullmatch(name):
                expected = f"a known one; the nearest is {nearest}"
                problem = Problem(
                    shown_name(name), "environment", "an unknown house rule", expected
                )
                reading.problems.append(problem)
                continue
            reading.notices.append(
                f"{shown_name(name)}: not a known variable, ignored; the nearest is {nearest}"
            )
