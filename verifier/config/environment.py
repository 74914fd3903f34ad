"""Reads the environment variables, docker-jitsi-meet's and this program's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from verifier.config.input import ConfigInput, GivenValue, describe_value
from verifier.config.option import Option
from verifier.config.options import OPTIONS
from verifier.config.secret_files import take_file, unquoted
from verifier.config.unknown_names import check_variables
from verifier.config.value_types import ListForm

_BLANKS_IN_LIST: Final = re.compile(r"\s,|,\s")


def read_environment(environ: Mapping[str, str], config: ConfigInput) -> None:
    """Read the environment variables, docker-jitsi-meet's and this program's own."""
    for option in OPTIONS:
        if option.variable is None:
            continue
        text = environ.get(option.variable, "")
        path = unquoted(environ.get(option.file_variable or "", ""))
        if unquoted(text) and path:
            config.fail_both(option, str(option.file_variable), option.variable, "environment")
        elif path:
            origin = str(option.file_variable)
            take_file(option, Path(path), origin, config, from_environment=True)
        elif unquoted(text):
            _take_variable(option, option.variable, text, config)
    check_variables(environ, config)


def _take_variable(option: Option, variable: str, text: str, config: ConfigInput) -> None:
    bare = unquoted(text)
    if option.type.secret and bare == text.strip():
        bare = text  # without quotes, blanks are a part of a secret
    elif option.type.secret:
        config.notices.append(f"{variable}: the quotes around the value are not part of it")
    try:
        good = option.type.from_text(bare)
    except ValueError:
        config.fail(option, variable, describe_value(option, bare))
        return
    config.given[option.name] = GivenValue(good, variable, from_environment=True)
    if option.type.list_form is ListForm.COMMAS and _BLANKS_IN_LIST.search(bare):
        config.notices.append(f"{variable}: blanks beside a comma are not part of a value")
