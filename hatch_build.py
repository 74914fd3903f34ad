"""Compiles the hot modules with mypyc while a wheel is built, if the build asks for it.

``HATCH_BUILD_HOOK_ENABLE_CUSTOM=true`` turns this hook on. Without it the wheel is pure Python. The
compiled wheel also contains the source files. All files of the compiler go into a temporary folder:
an extension module in the source tree would hide later changes of its source file.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompilingBuildHook(BuildHookInterface[Any]):
    """Adds extension modules to a wheel.

    The table of this hook in pyproject.toml lists the modules, and says which ones must stay out.
    """

    _folder: TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; a compiler's error fails the build."""
        if version == "editable":
            return  # an installation for development uses the source files
        self._folder = TemporaryDirectory()
        built = Path(self._folder.name, "lib")
        _compile(self.root, self.config["modules"], built)
        for file in built.rglob("*.*"):
            if file.is_file():
                build_data["force_include"][str(file)] = str(file.relative_to(built))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, *_: object) -> None:
        """Remove the temporary folder."""
        if self._folder is not None:
            self._folder.cleanup()


def _compile(root: str, modules: list[str], built: Path) -> None:
    """Compile modules into a folder that has the layout of a wheel."""
    # The compiler is there only if the hook is enabled.
    from mypyc import build as mypyc  # noqa: PLC0415
    from setuptools import Distribution  # noqa: PLC0415

    os.chdir(root)
    work = str(built.with_name("work"))
    # Without the names of temporary folders, the same sources give the same extension modules.
    flags, library = os.environ.get("CFLAGS", ""), Path(mypyc.__file__).parent
    os.environ["CFLAGS"] = f"{flags} -ffile-prefix-map={work}=. -ffile-prefix-map={library}=mypyc"
    # Types are checked by `make check`, where the packages are that the service imports.
    options = ["--config-file=", f"--cache-dir={work}/cache", "--follow-imports=silent"]
    extensions = mypyc.mypycify(
        [*options, "--ignore-missing-imports", *modules],
        opt_level="3",
        debug_level="0",
        group_name="verifier",
        target_dir=work,
    )
    distribution = Distribution({"name": "jitsi-verifier", "ext_modules": extensions})
    distribution.packages, distribution.py_modules = [], []
    command = distribution.get_command_obj("build_ext")
    command.build_lib, command.build_temp = str(built), work
    command.ensure_finalized()
    command.run()
    if not any(built.rglob("*.so")):
        sys.exit("mypyc made no extension module")
