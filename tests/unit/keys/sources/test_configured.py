from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.key_server import (
    START,
    FakeTime,
    Recorder,
    asap_path,
    is_key,
    jwk,
    pem,
    source_context,
    until,
)
from verifier.keys.formats import to_pem
from verifier.keys.sources.base import KeySourceError, Missing, SourceContext
from verifier.keys.sources.configured import PublicKeySource, SecretSource
from verifier.keys.sources.settings import KeySourceSettings

Open = Callable[..., Any]


@pytest.fixture
async def static(time: FakeTime, recorder: Recorder) -> AsyncIterator[Open]:
    opened: list[PublicKeySource] = []

    async def open_static(public_keys: dict[str, str | Path]) -> PublicKeySource:
        opened.append(PublicKeySource(public_keys, source_context(time, recorder)))
        await opened[-1].start()
        return opened[-1]

    yield open_static
    for source in opened:
        await source.close()


@pytest.fixture
async def secrets(time: FakeTime, recorder: Recorder) -> AsyncIterator[Open]:
    opened: list[SecretSource] = []

    async def open_secrets(*entries: str | Path) -> SecretSource:
        opened.append(SecretSource(entries, source_context(time, recorder)))
        await opened[-1].start()
        return opened[-1]

    yield open_secrets
    for source in opened:
        await source.close()


def replace(path: Path, text: str) -> None:
    """Write a new file and rename it to the old one's name."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text)
    fresh.replace(path)


async def check_twice(source: PublicKeySource | SecretSource) -> None:
    """Check the files twice: the first finds a change, the second confirms it."""
    await source.tick()
    await source.tick()


# Reading


async def test_keys_are_read_in_every_format(tmp_path: Path, static: Open) -> None:
    (tmp_path / "pem").write_text(pem("a"))
    (tmp_path / "jwk").write_text(json.dumps(jwk("b")))
    (tmp_path / "jwks").write_text(json.dumps({"keys": [jwk("c"), jwk("d")]}))
    source = await static(
        {
            "a": tmp_path / "pem",
            "b": tmp_path / "jwk",
            "set": tmp_path / "jwks",
            "e": pem("e"),
            "f": json.dumps(jwk("f")),
        }
    )
    assert all(is_key(source.get(name), name) for name in "abcdef")
    assert is_key(await source.fetch("a"), "a")
    assert source.get("set") is None
    assert await source.fetch("set") is Missing.UNKNOWN
    assert source.static == ()


async def test_secrets_keep_their_order_and_serve_any_token(tmp_path: Path, secrets: Open) -> None:
    (tmp_path / "secret").write_text("second\n\nthird \n")
    source = await secrets("first", tmp_path / "secret", pem("a"))
    assert [key.material for key in source.static[:3]] == [b"first", b"second", b"third "]
    assert is_key(source.static[3], "a")
    assert source.static[3].source == "file"
    assert source.get("first") is None


async def test_all_unusable_entries_are_named_and_not_shown(
    tmp_path: Path, static: Open, secrets: Open
) -> None:
    (tmp_path / "garbage").write_text("hush-hush")
    (tmp_path / "huge").write_text("-" * 1_100_000)
    (tmp_path / "set").write_text(json.dumps({"keys": [jwk("a", "other")]}))
    with pytest.raises(KeySourceError) as failure:
        await static(
            {
                "1": tmp_path / "garbage",
                "2": tmp_path / "huge",
                "3": tmp_path / "missing",
                "4": "hush-hush",
                "a": pem("a"),
                "5": tmp_path / "set",
            }
        )
    no_pem = "expected one PEM block, a public key or a certificate, found 0 blocks"
    assert str(failure.value).split("; ") == [
        f"{tmp_path}/garbage: {no_pem}",
        f"{tmp_path}/huge: expected at most 1048576 bytes",
        f"{tmp_path}/missing: No such file or directory",
        f"key id '4': {no_pem}",
        f"{tmp_path}/set: expected every key id once, found 'a'",
    ]
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(KeySourceError) as failure:
        await secrets("", '{"kty": "oct", "k": "aHVzaA"}', tmp_path / "empty", tmp_path / "binary")
    assert str(failure.value).split("; ") == [
        "secret 1: expected a shared secret, found nothing",
        "secret 2: expected a shared secret, found a public key, certificate or JWK",
        f"{tmp_path}/empty: expected one secret a line, found nothing",
        f"{tmp_path}/binary: expected UTF-8 text",
    ]


# Changes on disk


async def test_changed_file_is_read_again(tmp_path: Path, static: Open, recorder: Recorder) -> None:
    path = tmp_path / "key"
    path.write_text(pem("old"))
    source = await static({"a": path, "b": pem("b")})
    replace(path, pem("new"))
    await source.tick()
    assert is_key(source.get("a"), "old")
    await source.tick()
    assert is_key(source.get("a"), "new")
    assert recorder.changes == [frozenset({"a"})]
    await check_twice(source)
    assert recorder.fetches == {("file", "ok"): 2}


async def test_removed_secret_ends_at_once(
    tmp_path: Path, secrets: Open, recorder: Recorder
) -> None:
    path = tmp_path / "secret"
    path.write_text("first\nsecond\n")
    source = await secrets(path)
    replace(path, "new\nfirst\nsecond\n")
    await check_twice(source)
    assert recorder.changes == []
    replace(path, "new\nfirst\n")
    await check_twice(source)
    assert [key.material for key in source.static] == [b"new", b"first"]
    assert recorder.changes == [frozenset({None})]


async def test_file_rewritten_with_the_same_size_is_read_again(
    tmp_path: Path, secrets: Open
) -> None:
    path = tmp_path / "secret"
    path.write_text("one")
    os.utime(path, ns=(1, 1))
    source = await secrets(path)
    path.write_text("two")
    await check_twice(source)
    assert [key.material for key in source.static] == [b"two"]


async def test_file_that_is_still_being_written_is_not_read(tmp_path: Path, secrets: Open) -> None:
    path = tmp_path / "secret"
    path.write_text("whole")
    source = await secrets(path)
    for number, part in enumerate(("lon", "longer", "longer-still")):
        path.write_text(part)
        os.utime(path, ns=(number, number))
        await source.tick()
        assert [key.material for key in source.static] == [b"whole"]
    await source.tick()
    assert [key.material for key in source.static] == [b"longer-still"]


async def test_symbolic_link_replaced_by_kubernetes_is_noticed(
    tmp_path: Path, static: Open, recorder: Recorder
) -> None:
    for generation in ("1", "2"):
        (tmp_path / generation).mkdir()
        (tmp_path / generation / "key.pem").write_text(pem(generation))
        os.utime(tmp_path / generation / "key.pem", ns=(1, 1))
    (tmp_path / "..data").symlink_to("1")
    (tmp_path / "key.pem").symlink_to("..data/key.pem")
    source = await static({"a": tmp_path / "key.pem"})
    (tmp_path / "..new").symlink_to("2")
    (tmp_path / "..new").rename(tmp_path / "..data")
    await check_twice(source)
    assert is_key(source.get("a"), "2")
    assert recorder.changes == [frozenset({"a"})]


@pytest.mark.parametrize("bad", ["", "garbage", "-----BEGIN PUBLIC KEY-----\n", None])
async def test_bad_new_file_keeps_the_running_keys(
    tmp_path: Path, static: Open, recorder: Recorder, bad: str | None
) -> None:
    path = tmp_path / "key"
    path.write_text(pem("a"))
    source = await static({"a": path})
    if bad is None:
        path.unlink()
    else:
        replace(path, bad)
    for _ in range(5):
        await check_twice(source)
    assert is_key(source.get("a"), "a")
    status = source.status()
    assert (status.state, status.ready) == ("stale", True)
    assert status.last_error.startswith(f"{path}: ")
    assert recorder.fetches["file", "ok"] == 1
    # The file is read at every check: it may become readable without any other change.
    assert recorder.fetches["file", "error"] > 1
    assert recorder.changes == []
    replace(path, pem("b"))
    await check_twice(source)
    assert is_key(source.get("a"), "b")
    assert (source.status().state, source.status().last_error) == ("ready", "")


async def test_broken_file_does_not_keep_others_from_being_read(
    tmp_path: Path, static: Open, recorder: Recorder
) -> None:
    broken, good = tmp_path / "broken", tmp_path / "good"
    broken.write_text(pem("a"))
    good.write_text(pem("b"))
    source = await static({"a": broken, "b": good})
    replace(broken, "garbage")
    replace(good, pem("new"))
    await check_twice(source)
    assert is_key(source.get("a"), "a")
    assert is_key(source.get("b"), "new")
    assert recorder.changes == [frozenset({"b"})]
    assert source.status().state == "stale"
    # Also while the other file is broken.
    replace(good, pem("newer"))
    await check_twice(source)
    assert is_key(source.get("b"), "newer")


async def test_broken_file_of_secrets_keeps_its_secrets_only(tmp_path: Path, secrets: Open) -> None:
    broken, good = tmp_path / "broken", tmp_path / "good"
    broken.write_text("first")
    good.write_text("second")
    source = await secrets(broken, good)
    broken.write_bytes(b"\xff\xfe")
    replace(good, "new")
    await check_twice(source)
    assert [key.material for key in source.static] == [b"first", b"new"]


async def test_key_of_a_contested_entry_stays_in_use(
    tmp_path: Path, static: Open, recorder: Recorder
) -> None:
    path = tmp_path / "set"
    path.write_text(json.dumps({"keys": [jwk("a"), jwk("b"), jwk("c")]}))
    source = await static({"set": path})
    replace(path, json.dumps({"keys": [jwk("a", "x"), jwk("a", "y"), jwk("b", x="?"), jwk("d")]}))
    await check_twice(source)
    assert is_key(source.get("a"), "a")
    assert is_key(source.get("b"), "b")
    assert source.get("c") is None
    assert is_key(source.get("d"), "d")
    assert recorder.changes == [frozenset({"c"})]
    assert [entry.key_id for entry in source.status().skipped] == ["b", "a", "a"]
    replace(path, json.dumps({"keys": [jwk("a", d="AAAA"), jwk("d")]}))
    await check_twice(source)
    assert source.get("a") is None
    assert source.get("b") is None


async def test_one_key_may_be_in_two_files(tmp_path: Path, static: Open) -> None:
    (tmp_path / "set").write_text(json.dumps({"keys": [jwk("a"), jwk("b", use="enc")]}))
    source = await static({"a": pem("a"), "set": tmp_path / "set"})
    assert is_key(source.get("a"), "a")
    assert [entry.key_id for entry in source.status().skipped] == ["b"]


async def test_unusable_entries_of_a_file_are_logged_once(
    tmp_path: Path, static: Open, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "set"
    path.write_text(json.dumps({"keys": [jwk("a"), jwk("b", use="enc")]}))
    source = await static({"set": path})
    replace(path, json.dumps({"keys": [jwk("a"), jwk("b", use="enc")]}))
    await check_twice(source)
    assert [record.message for record in caplog.records].count("key not used") == 1


async def test_running_source_reads_changes_within_five_seconds(
    tmp_path: Path,
) -> None:
    settings = KeySourceSettings()
    assert 3 * settings.key_file_poll <= 5
    path = tmp_path / "secret"
    path.write_text("one")
    quick = SourceContext(KeySourceSettings(key_file_poll=0.001))
    source = SecretSource([path], quick)
    await source.start()
    try:
        replace(path, "two")
        await until(lambda: [key.material for key in source.static] == [b"two"])
    finally:
        await source.close()


# Status and counters


async def test_status_lists_keys_and_no_secret(
    secrets: Open, static: Open, recorder: Recorder
) -> None:
    source = await secrets("hush-hush")
    status = source.status()
    assert (status.name, status.state, status.answered) == ("secret", "ready", True)
    assert status.last_success == START
    assert [(key.key_id, key.expires, key.fingerprint) for key in status.keys] == [(None, None, "")]
    assert "hush" not in repr(status) + repr(source.static) + repr(vars(source))
    source = await static({"a": pem("a")})
    assert [(key.key_id, key.source, key.algorithms) for key in source.status().keys] == [
        ("a", "file", ("ES256",))
    ]
    assert recorder.counts == {"secret": 1, "file": 1}
    assert recorder.fetches == {}


async def test_key_from_a_file_is_found_by_its_hash(static: Open, secrets: Open) -> None:
    source = await static({"a": pem("a")})
    digest = asap_path("a")[1:-4]
    found = await source.find_by_digest(digest)
    assert found is not None
    assert (to_pem(found[0]).decode(), found[1]) == (pem("a"), 60)
    assert await source.find_by_digest("0" * 64) is None
    assert await (await secrets("a")).find_by_digest(digest) is None


async def test_only_successful_lookups_are_counted(static: Open, recorder: Recorder) -> None:
    source = await static({"a": pem("a")})
    source.get("a")
    source.get("b")
    assert recorder.lookups == {("file", "hit"): 1}
