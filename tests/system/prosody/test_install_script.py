"""install.sh copies the modules, and never touches a file that is not its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.system.prosody.prosody import CONTRIB

MODULES = sorted(file.name for file in CONTRIB.glob("*.lua"))
LIST = "jitsi_verifier.list"


def run(
    *arguments: str | Path, script: Path = CONTRIB / "install.sh", **environ: str
) -> subprocess.CompletedProcess[str]:
    # Without a Prosody on PATH, as on the host of docker-jitsi-meet.
    return subprocess.run(
        ["/bin/sh", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environ},
        cwd="/",
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def source() -> dict[str, bytes]:
    return {name: (CONTRIB / name).read_bytes() for name in MODULES}


def test_modules_are_copied_and_named(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"installed {tmp_path}/{name}" for name in MODULES]
    assert contents(tmp_path).items() >= source().items()
    assert contents(tmp_path).keys() == {*MODULES, LIST}


@pytest.mark.parametrize("umask", ["022", "077", "000"])
def test_files_are_readable_by_all_and_writable_by_the_owner(umask: str, tmp_path: Path) -> None:
    folder = tmp_path / "prosody" / "custom plugins"
    command = f'umask {umask}; exec sh "$0" "$1"'
    subprocess.run(["/bin/sh", "-c", command, CONTRIB / "install.sh", folder], check=True)
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o644}
    assert folder.stat().st_mode & 0o777 == 0o755


def test_closed_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(0o700)
    assert f"chmod o+x {folder}" in run(folder).stderr
    folder.chmod(0o755)
    assert "chmod" not in run(folder).stderr


def test_second_run_changes_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    before = contents(tmp_path)
    assert run("install", tmp_path).returncode == 0
    assert contents(tmp_path) == before


def test_removal_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "mod_other.lua").write_text("-- of another project\n")
    before = contents(tmp_path)
    run(tmp_path)
    done = run("remove", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(tmp_path) == before
    assert run("remove", tmp_path).stdout == f"nothing to remove in {tmp_path}\n"


def test_removal_removes_only_a_folder_that_the_script_made(tmp_path: Path) -> None:
    made, existing = tmp_path / "made", tmp_path / "existing"
    existing.mkdir()
    for folder in (made, existing):
        run(folder)
        run(folder)  # an update must not forget it
        run("remove", folder)
    assert (made.exists(), existing.exists()) == (False, True)


@pytest.mark.parametrize("name", MODULES)
def test_foreign_file_is_not_overwritten(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("-- of another project\n")
    done = run(tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}/{name}" in done.stderr
    assert contents(tmp_path) == {name: b"-- of another project\n"}


def test_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere.lua", tmp_path / "folder"
    elsewhere.write_bytes((CONTRIB / MODULES[0]).read_bytes())
    folder.mkdir()
    (folder / MODULES[0]).symlink_to(elsewhere)
    assert run(folder).returncode == 1
    assert (folder / MODULES[0]).is_symlink()


def test_changed_file_is_neither_overwritten_nor_removed(tmp_path: Path) -> None:
    run(tmp_path)
    changed = tmp_path / MODULES[0]
    changed.write_bytes(changed.read_bytes() + b"-- ours\n")
    before = contents(tmp_path)
    assert run(tmp_path).returncode == 1
    assert contents(tmp_path) == before
    assert f"kept, because it was changed: {changed}" in run("remove", tmp_path).stderr
    assert contents(tmp_path) == {changed.name: before[changed.name]}


def test_update_replaces_and_removes_files_of_the_earlier_version(tmp_path: Path) -> None:
    earlier, folder = tmp_path / "earlier", tmp_path / "folder"
    earlier.mkdir()
    for name in (*MODULES, "jitsi_verifier_gone.lib.lua"):
        (earlier / name).write_text("-- the earlier version\n")
    script = earlier / "install.sh"
    script.write_bytes((CONTRIB / "install.sh").read_bytes())
    run(folder, script=script)
    assert run(folder).returncode == 0
    assert contents(folder).items() >= source().items()
    assert contents(folder).keys() == {*MODULES, LIST}


def test_destdir_is_put_before_the_folder(tmp_path: Path) -> None:
    done = run(DESTDIR=str(tmp_path))
    folder = "/usr/local/lib/prosody/modules"
    assert done.stdout.splitlines()[0] == f"installed {folder}/{MODULES[0]}"
    assert contents(tmp_path / folder[1:]).keys() == {*MODULES, LIST}


@pytest.mark.parametrize("arguments", [("--help",), ("/a", "/b"), ("remove", "/a", "/b")])
def test_wrong_arguments_change_nothing(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*arguments, DESTDIR=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr
    assert not list(tmp_path.iterdir())
