"""``check-config --prosody``: the files of a deployment, and how they fit this configuration.

Loaded by that command alone: the service needs no parser of Lua.
"""

from verifier.check_config.deployment import Deployment, read_deployment
from verifier.check_config.files import write_private
from verifier.check_config.report import HostReport, agreeing_file, host_reports, risks

__all__ = [
    "Deployment",
    "HostReport",
    "agreeing_file",
    "host_reports",
    "read_deployment",
    "risks",
    "write_private",
]
