"""Reads the environment variables, docker-jitsi-meet's and this program's own.

In docker-jitsi-meet's environment its own defaults hold for what it leaves out, so that this
program and docker's Prosody agree about a ``.env`` that works. They count less than the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from verifier.config import docker
from verifier.config.input import BY_NAME, ConfigInput, GivenValue, describe_value
from verifier.config.option import Option
from verifier.config.options import CONFIG_VARIABLE, OPTIONS
from verifier.config.secret_files import take_file
from verifier.config.secret_text import (
    describe_notation,
    find_oddities,
    has_blank_edges,
    has_quoted_items,
    may_be_several,
    unquoted,
    without_line_break,
)
from verifier.config.unknown_names import check_variables
from verifier.config.value_types import ListForm

_BLANKS_IN_LIST: Final = re.compile(r"\s,|,\s")
_DOCKER_DEFAULT: Final = "docker-jitsi-meet's default"


def named_file(environ: Mapping[str, str], config: ConfigInput) -> Path | None:
    """Return the configuration file that the environment names; None if it names none."""
    name = unquoted(_text(CONFIG_VARIABLE, environ, config))
    return Path(name) if name else None


def read_environment(environ: Mapping[str, str], config: ConfigInput) -> None:
    """Read the environment variables, docker-jitsi-meet's and this program's own."""
    # A program other than Compose may have left quotes and line breaks around these, too.
    switches = {name: unquoted(_text(name, environ, config)) for name in docker.SWITCHES}
    in_docker = docker.is_docker_environment(switches)
    for option in OPTIONS:
        if option.variable is None:
            continue
        text = _text(option.variable, environ, config)
        path = unquoted(_text(option.file_variable or "", environ, config))
        if unquoted(text) and path:
            config.fail_both(option, str(option.file_variable), option.variable, "environment")
        elif path:
            origin = str(option.file_variable)
            take_file(option, Path(path), origin, config, from_environment=True)
        elif unquoted(text):
            _take_variable(option, option.variable, text, config, in_docker=in_docker)
    if in_docker:
        _take_docker_defaults(switches, config)
    check_variables(environ, config)


def _text(variable: str, environ: Mapping[str, str], config: ConfigInput) -> str:
    """Return a variable's text without a line break at its end, which a notice names."""
    text = environ.get(variable, "")
    bare = without_line_break(text)
    if bare != text and bare.strip():
        config.notices.append(f"{variable}: the line break at the end is not part of the value")
    return bare


def _take_variable(
    option: Option, variable: str, text: str, config: ConfigInput, *, in_docker: bool
) -> None:
    bare = unquoted(text)
    if option.type.secret:
        bare = _secret_text(variable, text, config)
    is_secret = option.type.list_form is ListForm.LINES
    if is_secret and (notation := describe_notation(bare)):
        expected = (
            f"one secret; several are one a line in the file that {variable}_FILE names, or an"
            " array in the configuration file"
        )
        config.fail(option, variable, notation, expected)
        return
    if option.type.list_form is ListForm.COMMAS and has_quoted_items(bare):
        expected = "values between commas, without quotes and brackets"
        config.fail(option, variable, describe_value(option, bare), expected)
        return
    try:
        boolean = in_docker and variable in docker.BOOLEANS
        good = docker.clear_boolean(bare) if boolean else option.type.from_text(bare)
    except ValueError:
        _fail(option, variable, bare, config, in_docker=in_docker)
        return
    config.given[option.name] = GivenValue(good, variable, from_environment=True)
    _notice_form(option, variable, bare, config, in_docker=in_docker)


def _secret_text(variable: str, text: str, config: ConfigInput) -> str:
    """Return a secret without quotes; without quotes, blanks are a part of it."""
    bare = unquoted(text)
    if bare == text.strip():
        return text
    config.notices.append(f"{variable}: the quotes around the value are not part of it")
    return _text(variable, {variable: bare}, config)


def _fail(
    option: Option, variable: str, bare: str, config: ConfigInput, *, in_docker: bool
) -> None:
    expected = option.type.expected
    if in_docker and variable in docker.BOOLEANS:
        expected = "true or false: docker-jitsi-meet takes every other word for true, also no"
    elif option.type.list_form is ListForm.LINES:
        expected = (
            f"a secret on one line; several are one a line in the file that {variable}_FILE names"
        )
    config.fail(option, variable, describe_value(option, bare), expected)


def _notice_form(
    option: Option, variable: str, bare: str, config: ConfigInput, *, in_docker: bool
) -> None:
    config.notices += [f"{variable}: {odd}" for odd in find_oddities(bare)]
    if option.type.list_form is ListForm.COMMAS and _BLANKS_IN_LIST.search(bare):
        text = "blanks beside a comma are not part of a value"
        beside = "; docker-jitsi-meet's Prosody keeps them: remove them" if in_docker else ""
        config.notices.append(f"{variable}: {text}{beside}")
    if option.type.list_form is ListForm.LINES:
        if has_blank_edges(bare):
            config.notices.append(f"{variable}: the blanks around the value are part of the secret")
        if may_be_several(bare):
            text = f"the comma is part of the secret; several are one a line in {variable}_FILE"
            config.notices.append(f"{variable}: {text}")


def _take_docker_defaults(switches: Mapping[str, str], config: ConfigInput) -> None:
    """Take docker-jitsi-meet's defaults of what neither the file nor the environment sets."""
    domain = "muc_mapper_domain_base"
    taken = _take_default(domain, docker.DEFAULTS["XMPP_DOMAIN"], config)
    if "muc_mapper_domain_prefix" not in config.given and domain in config.given:
        muc = docker.muc_domain(config.given[domain].value)
        taken += _take_default("muc_mapper_domain", muc, config)
    verified = docker.is_true(docker.DEFAULTS["JWT_ENABLE_DOMAIN_VERIFICATION"])
    taken += _take_default("enable_domain_verification", verified, config)
    if taken:
        marker = next(name for name in docker.MARKERS if switches[name])
        config.notices.append(
            f"{marker} is set, so docker-jitsi-meet's defaults hold for what its .env leaves out:"
            f" {', '.join(taken)}"
        )
    if not docker.requires_tokens(switches):
        config.notices.append(
            "docker-jitsi-meet's Prosody asks for no token: that needs ENABLE_AUTH=1 and"
            " AUTH_TYPE=jwt"
        )


def _take_default(name: str, value: str | bool, config: ConfigInput) -> list[str]:
    """Take a default, and return it in words; return nothing where there is a value."""
    if name in config.given or name in config.failed:
        return []
    config.given[name] = GivenValue(value, _DOCKER_DEFAULT, from_environment=True)
    return [f"{name} = {BY_NAME[name].type.show(value)}"]
