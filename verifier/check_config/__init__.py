"""``check-config --prosody``: the files of a deployment, and how they fit this configuration.

Loaded by that command alone: the service needs no parser of Lua.
"""

from verifier.check_config.agreeing_file import format_agreeing_file, write_private
from verifier.check_config.comparison import HostComparison, compare_hosts
from verifier.check_config.deployment import Deployment, read_deployment
from verifier.check_config.risks import find_risks

__all__ = [
    "Deployment",
    "HostComparison",
    "compare_hosts",
    "find_risks",
    "format_agreeing_file",
    "read_deployment",
    "write_private",
]
