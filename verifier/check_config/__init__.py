"""Reads the files of a Jitsi deployment, and compares them with this verifier's configuration.

Only the command ``check-config --prosody`` imports this package: the service needs no Lua parser.

The path of a file through the package::

    sources            finds files in folders, and tells the kinds of files apart
    deployment         gives each file to its reader
      variables        .env (env_file), with interpolation of Docker Compose's $VAR
      compose          Compose files, by yaml_tree
      docker           writes the Lua that docker-jitsi-meet's templates would write
        docker_values    values that break this Lua
      prosody_reader   .lua: VirtualHost, Component, Include and Prosody's other functions
        lua_lexer        bytes to tokens
        lua_parser       tokens to a syntax tree, with lua_expression_parser
        lua_statements   assignments, conditions and blocks
        lua_expressions  values
      jicofo           jicofo.conf
      web_config       config.js
    token_hosts        the hosts that accept tokens, with all defaults applied
    comparison         their options beside this verifier's options
      muc_modules      Prosody's modules as options of [policy]
    entrances          users that Prosody lets in by a host without rooms of its own
    risks              what is dangerous on either side
    agreeing_file      a TOML file that agrees with Prosody

To compare another option, add it to ``token_hosts.COMPARED`` with its getter and default. To report
another danger, add a generator to ``risks``. To read another kind of file, add it to ``sources``
and ``deployment``.
"""

from verifier.check_config.agreeing_file import (
    explain_missing,
    format_agreeing_file,
    write_private,
)
from verifier.check_config.comparison import HostComparison, compare_hosts
from verifier.check_config.deployment import Deployment, read_deployment
from verifier.check_config.entrances import Entrance, find_entrances
from verifier.check_config.risks import find_risks

__all__ = [
    "Deployment",
    "Entrance",
    "HostComparison",
    "compare_hosts",
    "explain_missing",
    "find_entrances",
    "find_risks",
    "format_agreeing_file",
    "read_deployment",
    "write_private",
]
