"""Reads the TOML file, and the table of each virtual host, option by option."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from verifier.config.input import (
    BY_NAME,
    ConfigInput,
    GivenValue,
    describe_file_error,
    describe_value,
)
from verifier.config.option import Option
from verifier.config.options import OPTIONS
from verifier.config.problems import Problem, shown_name, type_name
from verifier.config.secret_files import take_file
from verifier.config.secret_text import (
    describe_notation,
    find_oddities,
    has_blank_edges,
    has_quoted_items,
    may_be_several,
    without_line_break,
)
from verifier.config.unknown_names import TABLES, describe_unknown
from verifier.config.value_types import ListForm

_BY_FILE_KEY: Final = {option.file_key: option for option in OPTIONS if option.file_key}
_TABLES: Final = sorted({option.table for option in OPTIONS} - {""})


def read_toml(path: Path, config: ConfigInput) -> None:
    """Read the configuration file."""
    document = _parse(path, config)
    if document is None:
        config.failed.update(BY_NAME)
        return
    config.path, config.hosts = str(path), document.pop("hosts", {})
    read_table(document, str(path), config, tuple(BY_NAME))


def read_table(
    table: Mapping[str, Any], origin: str, config: ConfigInput, names: Sequence[str]
) -> None:
    """Read a table of options, of which only ``names`` are allowed there."""
    tables = [name for name in TABLES if name != "hosts" or origin == config.path]
    file_keys = {key: option for key, option in _BY_FILE_KEY.items() if option.name in names}
    table = _flattened(table, origin, config)
    for key, value in table.items():
        if key in names:
            _take_toml(BY_NAME[key], value, origin, config)
        elif key in BY_NAME:
            expected = "it at the top of the file: it is the whole service's"
            config.problems.append(Problem(key, origin, "an option of one host", expected))
        elif _stands_in_table(key):
            found = "an option that does not belong to this table"
            expected = "it above the line that begins the table"
            config.problems.append(Problem(key, origin, found, expected))
        elif key not in file_keys:
            found = "an unknown table" if isinstance(value, Mapping) else "an unknown option"
            expected = describe_unknown(key, value, {*names, *file_keys}, tables)
            if origin != config.path and isinstance(value, Mapping) and key not in TABLES:
                expected += '; a dot in a host\'s name needs quotes: [hosts."a.example"]'
            config.problems.append(Problem(shown_name(key), origin, found, expected))
    for key, option in file_keys.items():
        if key in table:
            _take_file_key(option, key, table, origin, config)


def _stands_in_table(key: str) -> bool:
    """Return whether a key is an option that has no table, but stands in one."""
    table, _, name = key.partition(".")
    return table in _TABLES and (name in BY_NAME or name in _BY_FILE_KEY)


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
            Problem("", str(path), describe_file_error(error), "a TOML file in UTF-8")
        )
        return None


def _take_toml(option: Option, value: Any, origin: str, config: ConfigInput) -> None:
    value = _without_line_breaks(option, value, origin, config)
    if not _check_form(option, value, origin, config):
        return
    try:
        good = option.type.from_toml(value)
    except ValueError:
        config.fail(option, origin, describe_value(option, value))
    else:
        config.given[option.name] = GivenValue(good, origin, from_environment=False)


def _check_form(option: Option, value: Any, origin: str, config: ConfigInput) -> bool:
    """Return whether a value has the form of TOML; name what is easy to overlook in it."""
    items = value if isinstance(value, list) else [value]
    texts = [item for item in items if isinstance(item, str)]
    is_secret = option.type.list_form is ListForm.LINES
    is_list = option.type.list_form is ListForm.COMMAS
    notation = next(filter(None, map(describe_notation, texts)), "")
    if is_secret and notation:
        expected = "a secret alone, or an array of secrets without quotes around the array"
        config.fail(option, origin, notation, expected)
        return False
    if is_list and any(map(has_quoted_items, texts)):
        expected = "a string, or an array of strings without quotes around the array"
        config.fail(option, origin, describe_value(option, value), expected)
        return False
    notices = [odd for text in texts for odd in find_oddities(text)]
    if is_secret and any(map(has_blank_edges, texts)):
        notices.append("the blanks around the value are part of the secret")
    if (is_list and any("," in text for text in texts)) or (
        is_secret and any(map(may_be_several, texts))
    ):
        notices.append("the comma is part of the value; several values are an array")
    config.notices += [f"{option.name} ({origin}): {notice}" for notice in notices]
    return True


def _without_line_breaks(option: Option, value: Any, origin: str, config: ConfigInput) -> Any:
    """Return a string, or an array of strings, without the line break at the end of each."""

    def cut(item: Any) -> Any:
        return without_line_break(item) if isinstance(item, str) else item

    bare = [cut(item) for item in value] if isinstance(value, list) else cut(value)
    if bare != value:
        text = "the line break at the end is not part of the value"
        config.notices.append(f"{option.name} ({origin}): {text}")
    return bare


def _take_file_key(
    option: Option, key: str, table: Mapping[str, Any], origin: str, config: ConfigInput
) -> None:
    value = table[key]
    if option.name in table:
        config.given.pop(option.name, None)
        config.fail_both(option, key, option.name, origin)
    elif type(value) is not str or not value:
        config.failed.add(option.name)
        expected = "the path of a file"
        config.problems.append(Problem(key, origin, type_name(value), expected))
    else:
        path = Path(_without_line_breaks(option, value, origin, config))
        take_file(option, path, f"{key} in {origin}", config)
