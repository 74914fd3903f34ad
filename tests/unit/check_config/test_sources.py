"""Files and folders as people have them, and what each is taken for."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from verifier.check_config import Deployment, read_deployment
from verifier.check_config.sources import find_files, read_source

MAIN = 'Include "conf.d/*.cfg.lua"\n'
HOST = 'VirtualHost "m.test"\nauthentication = "token"\napp_id = "app"\n'
JICOFO = "jicofo { conference { enable-auto-owner = false } }"
DOTENV = "ENABLE_AUTH=1\nAUTH_TYPE=jwt\nJWT_APP_ID=app\n"
COMPOSE = "services:\n  prosody:\n    environment: [ENABLE_AUTH, AUTH_TYPE, JWT_APP_ID]\n"


def lay_out(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def app_id(deployment: Deployment) -> object:
    (host,) = deployment.hosts
    return host.options["app_id"]


@pytest.mark.parametrize(
    "files",
    [
        {"prosody.cfg.lua": MAIN, "conf.d/m.cfg.lua": HOST, "conf.d/.x.cfg.lua": "x = ="},
        {"conf.d/m.cfg.lua": HOST},
        {"m.cfg.lua": HOST},
        {"prosody.cfg.lua": MAIN, "jitsi-meet.cfg.lua": HOST},
        {"prosody/prosody.cfg.lua": MAIN, "prosody/conf.d/m.cfg.lua": HOST},
        {"prosody/config/prosody.cfg.lua": MAIN, "prosody/config/conf.d/m.cfg.lua": HOST},
        {"config/conf.d/m.cfg.lua": HOST, "config/data/x": ""},
        {"docker-compose.yml": COMPOSE, ".env": DOTENV},
        {"compose.yaml": COMPOSE, ".env": DOTENV},
        {".env": DOTENV, "env.example": "JWT_APP_ID=other"},
        {"prosody.cfg.lua": MAIN, "conf.d/m.cfg.lua": HOST, "conf.avail/x.cfg.lua": "x = ="},
    ],
)
def test_folder_stands_for_its_files(tmp_path: Path, files: dict[str, str]) -> None:
    lay_out(tmp_path, files)
    deployment = read_deployment([tmp_path], {})
    assert deployment.config.problems == []
    assert app_id(deployment) == "app"


@pytest.mark.parametrize("place", ["jicofo.conf", "jicofo/jicofo.conf", "jitsi/jicofo/jicofo.conf"])
def test_jicofo_and_web_files_in_folders_are_read(tmp_path: Path, place: str) -> None:
    web = "var config = { hosts: {\n  domain: 'm.test',\n  // anonymousdomain: 'x',\n} }"
    lay_out(tmp_path, {"m.cfg.lua": HOST, place: JICOFO, "web/config.js": web})
    deployment = read_deployment([tmp_path], {})
    assert deployment.jicofo is not None
    assert deployment.jicofo.auto_owner is False
    assert deployment.web is not None
    assert (deployment.web.domain, deployment.web.guests) == ("m.test", None)


def test_host_that_is_not_enabled_is_named(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {"prosody.cfg.lua": MAIN, "conf.avail/a.cfg.lua": HOST, "conf.avail/b.cfg.lua": HOST},
    )
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.cfg.lua").symlink_to("../conf.avail/a.cfg.lua")
    taken_for = read_deployment([tmp_path], {}).taken_for
    assert taken_for[str(tmp_path / "conf.avail" / "b.cfg.lua")].startswith("not read: no link")
    assert str(tmp_path / "conf.avail" / "a.cfg.lua") not in taken_for


@pytest.mark.parametrize("order", [1, -1])
def test_copies_named_by_themselves_satisfy_an_include(tmp_path: Path, order: int) -> None:
    lay_out(tmp_path, {"a/prosody.cfg.lua": f"{MAIN}app_id = 'x'", "b/jitsi-meet.cfg.lua": HOST})
    files = [tmp_path / "a" / "prosody.cfg.lua", tmp_path / "b" / "jitsi-meet.cfg.lua"]
    deployment = read_deployment(files[::order], {})
    assert deployment.config.problems == []
    assert app_id(deployment) == "app"
    assert len(deployment.config.files) == 2


def test_copy_without_the_included_files_says_so(tmp_path: Path) -> None:
    lay_out(tmp_path, {"prosody.cfg.lua": MAIN})
    (problem,) = read_deployment([tmp_path / "prosody.cfg.lua"], {}).config.problems
    assert "if this is a copy, name the files of that folder, too" in str(problem)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("rendered.txt", HOST, "prosody"),
        ("out", f"\r\n{HOST}".replace("\n", "\r\n"), "prosody"),
        ("prosody.conf", MAIN, "prosody"),
        ("a.cfg.lua", "x = 1", "prosody"),
        ("env.txt", DOTENV, "env"),
        ("prosody-environment", f"# comment\n\nexport {DOTENV}", "env"),
        ("dump", f"PATH=/bin\nno_proxy=x\n_=/usr/bin/env\n{DOTENV}", "env"),
        ("fragment", "x=1\ny=2\n", "prosody"),
        (".env.production", "x", "env"),
        ("stack", COMPOSE, "compose"),
        ("stack.yml", "x: 1", "compose"),
        ("jicofo", f"// comment\n{JICOFO}", "jicofo"),
        ("jicofo-custom.conf", "x = 1", "jicofo"),
        ("nginx.conf", "server { listen 443; }", "unknown"),
        ("inspect.json", "[{}]", "unknown"),
        ("sip-communicator.properties", "org.jitsi.jicofo.auth.URL=XMPP:m.test", "properties"),
        ("meet.test-config.js", "x", "web"),
        ("web.txt", "config.hosts.domain = 'm.test';", "web"),
        ("jitsi-meet.cfg.lua.bak", "x = 1", "prosody"),
    ],
)
def test_content_shows_the_kind(tmp_path: Path, name: str, text: str, kind: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_source(tmp_path / name).kind == kind


def test_pipes_of_a_shell_are_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, HOST.encode())
    os.close(writing)
    try:
        assert app_id(read_deployment([Path(f"/dev/fd/{reading}")], {})) == "app"
    finally:
        os.close(reading)
    os.mkfifo(tmp_path / "pipe")
    (problem,) = read_deployment([tmp_path / "pipe"], {}).config.problems
    assert "not a regular file" in str(problem)


def test_circular_links_are_no_traceback(tmp_path: Path) -> None:
    lay_out(tmp_path, {"prosody.cfg.lua": MAIN, "conf.avail/a.cfg.lua": HOST})
    (tmp_path / "conf.d").mkdir()
    for name, target in (("b", "c"), ("c", "b")):
        (tmp_path / "conf.d" / f"{name}.cfg.lua").symlink_to(f"{target}.cfg.lua")
    assert read_deployment([tmp_path], {}).config.problems


def test_folder_that_cannot_be_read_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> Iterator[Path]:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    (problem,) = read_deployment([tmp_path], {}).config.problems
    assert "Permission denied" in str(problem)


def test_folder_without_files_says_what_is_expected(tmp_path: Path) -> None:
    (problem,) = read_deployment([tmp_path], {}).config.problems
    assert "expected prosody.cfg.lua, conf.d/*.cfg.lua, docker-compose.yml" in str(problem)
    assert "/run/prosody/config" in str(problem)


def test_file_of_another_program_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text("server { listen 443; }")
    deployment = read_deployment([tmp_path / "nginx.conf"], {})
    assert "not recognised, expected Prosody's" in str(deployment.config.problems[0])
    assert deployment.jicofo is None


def test_file_is_read_once(tmp_path: Path) -> None:
    lay_out(tmp_path, {"prosody.cfg.lua": MAIN, "conf.d/m.cfg.lua": HOST})
    files = [tmp_path / "conf.d" / "m.cfg.lua", tmp_path, tmp_path]
    assert len(read_deployment(files, {}).config.files) == 2
    assert find_files(tmp_path / "conf.d" / "m.cfg.lua") == [files[0]]


def test_file_of_another_name_that_includes_a_folder_is_read_once(tmp_path: Path) -> None:
    lay_out(tmp_path, {"main.cfg.lua": MAIN, "other.cfg.lua": MAIN})
    files = [tmp_path / "main.cfg.lua", tmp_path / "other.cfg.lua"]
    for given in ([tmp_path], files, files[:1]):
        config = read_deployment(given, {}).config
        assert len(config.problems) <= 2
        assert all("conf.d/conf.d" not in str(problem) for problem in config.problems)
    lay_out(tmp_path, {"other.cfg.lua": HOST})
    assert app_id(read_deployment(files, {})) == "app"


@pytest.mark.parametrize("folder", ["/config/conf.d", "/no/such/prosody/conf.d"])
def test_include_of_another_machine_is_found_in_the_copy(tmp_path: Path, folder: str) -> None:
    main = MAIN.replace("conf.d/", f"{folder}/")
    lay_out(tmp_path, {"prosody.cfg.lua": main, "conf.d/m.cfg.lua": HOST})
    deployment = read_deployment([tmp_path], {})
    assert deployment.config.problems == []
    assert app_id(deployment) == "app"


def test_copied_link_means_the_file_of_the_copy(tmp_path: Path) -> None:
    lay_out(tmp_path, {"prosody.cfg.lua": MAIN, "conf.avail/m.cfg.lua": HOST, "conf.d/.keep": ""})
    link = tmp_path / "conf.d" / "m.cfg.lua"
    link.symlink_to("/no/such/prosody/conf.avail/m.cfg.lua")
    deployment = read_deployment([tmp_path], {})
    assert deployment.config.problems == []
    assert app_id(deployment) == "app"
    assert list(deployment.taken_for) == [str(tmp_path / "prosody.cfg.lua"), str(link)]


def test_link_to_nothing_is_a_problem(tmp_path: Path) -> None:
    lay_out(tmp_path, {"prosody.cfg.lua": MAIN, "conf.avail/other.cfg.lua": HOST})
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "m.cfg.lua").symlink_to("/no/such/conf.avail/m.cfg.lua")
    (problem,) = read_deployment([tmp_path], {}).config.problems
    assert "m.cfg.lua: No such file or directory" in str(problem)


def test_comments_of_an_env_file_may_be_in_any_encoding(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(DOTENV.encode() + b"# caf\xe9\n")
    deployment = read_deployment([tmp_path], {})
    assert deployment.config.problems == []
    assert app_id(deployment) == "app"


@pytest.mark.parametrize("name", [".env", "m.cfg.lua", "docker-compose.yml"])
def test_text_in_utf_16_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(DOTENV.encode("utf-16"))
    (problem,) = read_deployment([tmp_path / name], {}).config.problems
    assert str(problem).endswith(f"{name}: a text in UTF-16, expected UTF-8")


def test_file_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    lay_out(tmp_path, {"prosody.cfg.lua": MAIN, "conf.d/m.cfg.lua": HOST})
    (tmp_path / "jicofo.conf").write_bytes("x".encode("utf-16"))
    deployment = read_deployment([tmp_path], {})
    assert [str(problem.location) for problem in deployment.config.problems] == [
        str(tmp_path / "jicofo.conf")
    ]
    assert app_id(deployment) == "app"


@pytest.mark.parametrize("older_first", [False, True])
def test_older_file_of_jicofo_counts_more(tmp_path: Path, *, older_first: bool) -> None:
    older = "org.jitsi.jicofo.auth.URL=XMPP:m.test\n"
    files = {
        "m.cfg.lua": HOST,
        "jicofo/jicofo.conf": JICOFO,
        "jicofo/sip-communicator.properties": older,
    }
    lay_out(tmp_path, files)
    paths = [tmp_path / name for name in files]
    for given in ([tmp_path], reversed(paths) if older_first else paths):
        jicofo = read_deployment(given, {}).jicofo
        assert jicofo is not None
        assert (jicofo.auto_owner, jicofo.authentication) == (False, True)
        assert all(name in jicofo.where for name in ("jicofo.conf", "sip-communicator.properties"))
