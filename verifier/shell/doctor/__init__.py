"""``check-config --prosody``: the files of a deployment, and how they fit this configuration.

Loaded by that command alone: the service needs no parser of Lua.
"""

from verifier.shell.doctor.deployment import Deployment, read_deployment
from verifier.shell.doctor.files import write_private
from verifier.shell.doctor.report import HostReport, agreeing_file, host_reports, risks

__all__ = [
    "Deployment",
    "HostReport",
    "agreeing_file",
    "host_reports",
    "read_deployment",
    "risks",
    "write_private",
]
