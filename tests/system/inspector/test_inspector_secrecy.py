"""A pasted token is sent to the verifier in a body, and nowhere else; other sites are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.support.browser import browser
from tests.support.processes import RunningVerifier, running_verifier
from tests.system.inspector.inspector_page import CONFIG, inspector, mint

ADMIN_TOKEN = "letmein-letmein"
ATTACK = """
async function attempt(label, make) {
    try { const answer = await make(); return [label, answer.type, await answer.text()]; }
    catch (error) { return [label, "failed", error.name]; }
}
const body = JSON.stringify({ pasted: "a.b.c" });
const post = (options) => fetch(TARGET, { method: "POST", body, ...options });
Promise.all([
    attempt("json", () => post({ headers: { "Content-Type": "application/json" } })),
    attempt("form", () => post({ headers: { "Content-Type": "text/plain" } })),
    attempt("blind", () => post({ mode: "no-cors" })),
    attempt("read", () => fetch(TARGET.replace("explain", "keys"))),
    attempt("delete", () => fetch(TARGET, { method: "DELETE" })),
])"""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Serve an empty page of another origin that every page may read."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # http.server's own name
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>elsewhere</title>")

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


async def test_token_is_only_in_the_body_of_one_post(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    token = mint()
    async with inspector(tmp_path, verifier) as page:
        await page.tab.call("Log.enable")
        await page.inspect(f"https://meet.example.org/retro?jwt={token}")
        sent = [event["request"] for event in page.tab.events("Network.requestWillBeSent")]
        assert all(request["url"].startswith(page.address) for request in sent)
        assert not [request["url"] for request in sent if "eyJ" in request["url"]]
        (post,) = [request for request in sent if request["method"] == "POST"]
        assert post["url"] == f"{page.address}v1/explain"
        assert token in json.loads(post["postData"])["pasted"]
        assert post["headers"].get("Referer", "") == ""
        stored = "[localStorage.length, sessionStorage.length, document.cookie, location.href]"
        assert await page.tab.evaluate(stored) == [0, 0, "", page.address]
        assert await page.tab.evaluate("indexedDB.databases().then(all => all.length)") == 0
        assert await page.tab.evaluate("caches.keys().then(all => all.length)") == 0
        # A browser sends the text of a page to a translation service, unless the page forbids it.
        translated = "[pasted, verdict, answer, decoded].map(part => part.translate)"
        assert await page.tab.evaluate(translated) == [False] * 4
        history = await page.tab.call("Page.getNavigationHistory")
        assert "eyJ" not in json.dumps(history)
        # Neither the policy nor a missing file has anything to complain about.
        assert page.tab.events("Log.entryAdded") == []
        assert page.tab.events("Runtime.consoleAPICalled") == []
    profile = tmp_path / "profile"
    signature = token.rpartition(".")[2].encode()
    files = [file for file in profile.rglob("*") if file.is_file()]
    assert files
    assert not [file for file in files if signature in _content(file)]
    assert "eyJ" not in verifier.log


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:  # the browser's helpers tidy up behind it
        return b""


async def test_nothing_remains_after_clearing_or_leaving(
    verifier: RunningVerifier, tmp_path: Path
) -> None:
    left = (
        "(pasted.value + room.value + card.innerText + answer.innerText + decoded.innerText).trim()"
    )
    async with inspector(tmp_path, verifier) as page:
        await page.inspect(mint(), "standup")
        await page.tab.evaluate("document.getElementById('clear').click()")
        assert await page.evaluate_text(left) == ""
        assert await page.evaluate_text("document.activeElement.id") == "pasted"
        # A browser may keep the page after the user leaves it, but without the pasted text.
        await page.inspect(mint(), "standup")
        await page.tab.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
        assert await page.evaluate_text(left) == ""
        for leave in (page.tab.reload, lambda: page.tab.open("about:blank")):
            await page.inspect(mint(), "standup")
            await leave()
            if await page.evaluate_text("location.href") == "about:blank":
                await page.tab.evaluate("history.back()")
                await page.wait_for("document.readyState === 'complete' && self.pasted")
            assert await page.evaluate_text(left) == ""


async def test_foreign_and_inline_scripts_do_not_run(
    verifier: RunningVerifier, tmp_path: Path, elsewhere: str
) -> None:
    async with inspector(tmp_path, verifier) as page:
        await page.tab.evaluate(
            f"""for (const make of [
                script => script.append('window.inline = true'),
                script => script.setAttribute('src', '{elsewhere}x.js'),
            ]) {{
                const script = document.createElement('script');
                try {{ make(script); }} catch {{}}
                document.head.append(script);
            }}"""
        )
        assert await page.tab.evaluate("typeof inline") == "undefined"
        fetching = f"fetch('{elsewhere}').then(() => 'sent', error => error.name)"
        assert await page.tab.evaluate(fetching) == "TypeError"


async def test_other_pages_cannot_frame_the_inspector(
    verifier: RunningVerifier, tmp_path: Path, elsewhere: str
) -> None:
    page = f"http://127.0.0.1:{verifier.admin}/"
    framed = f"""new Promise(resolve => {{
        const frame = document.createElement('iframe');
        frame.src = '{page}';
        frame.onload = resolve;
        document.body.append(frame);
    }})"""
    async with browser(tmp_path) as tab:
        await tab.open(elsewhere)
        await tab.evaluate(framed)
        sent = [event["request"]["url"] for event in tab.events("Network.requestWillBeSent")]
        # The browser requests the page itself, but nothing that the page would load.
        assert [url for url in sent if url.startswith(page)] == [page]


async def test_requests_of_another_site_are_refused(
    verifier: RunningVerifier, tmp_path: Path, elsewhere: str
) -> None:
    target = f"http://127.0.0.1:{verifier.admin}/v1/explain"
    async with browser(tmp_path) as tab:
        for site in (elsewhere, elsewhere.replace("127.0.0.1", "localhost")):
            await tab.open(site)
            outcome = await tab.evaluate(ATTACK.replace("TARGET", f"'{target}'"))
            assert outcome == [
                ["json", "failed", "TypeError"],
                ["form", "failed", "TypeError"],
                ["blind", "opaque", ""],
                ["read", "failed", "TypeError"],
                ["delete", "failed", "TypeError"],
            ]
            answers = tab.events("Network.responseReceived")
            statuses = {
                event["response"]["status"]
                for event in answers
                if event["response"]["url"] == target
            }
            assert statuses == {403}


async def test_virtual_host_can_be_selected(tmp_path: Path) -> None:
    other = "clinic-secret-" + "c" * 32
    config = tmp_path / "verifier.toml"
    host = f'[hosts."clinic.example"]\napp_id = "clinic"\napp_secret = "{other}"\n'
    config.write_text(f"{CONFIG}\n{host}")
    token = mint(other, iss="clinic")
    with running_verifier(tmp_path, config) as verifier:
        async with inspector(tmp_path, verifier) as page:
            await page.wait_for("!document.getElementById('host-field').hidden")
            assert (await page.inspect(token)).endswith("Denied: signature-invalid")
            assert "Host\nnone: the common rules" in await page.visible_text()
            await page.tab.evaluate("host.value = 'clinic.example'")
            assert await page.inspect(token) == "Allowed"
            assert "Host\nclinic.example" in await page.visible_text()
            await page.tab.evaluate("host.value = ''")
            by_url = f"https://clinic.example/standup?jwt={token}"
            assert await page.inspect(by_url) == "Allowed"


async def test_admin_token_is_requested_and_stays_in_the_page(tmp_path: Path) -> None:
    config = tmp_path / "verifier.toml"
    config.write_text(f'{CONFIG}\n[hosts."clinic.example"]\n')
    with running_verifier(tmp_path, config, VERIFIER_ADMIN_TOKEN=ADMIN_TOKEN) as verifier:
        async with inspector(tmp_path, verifier) as page:
            await page.wait_for("!document.getElementById('admin-field').hidden")
            assert await page.evaluate_text("admin.type + admin.autocomplete") == "passwordoff"
            assert await page.inspect(mint()) == "This verifier asks for its admin token."
            assert await page.evaluate_text("document.activeElement.id") == "admin"
            await page.fill("admin", "wröng ✓")
            assert await page.inspect(mint()) == "This is not the admin token."
            await page.fill("admin", ADMIN_TOKEN)
            assert await page.inspect(mint()) == "Allowed"
            await page.wait_for("!document.getElementById('host-field').hidden")
            stored = "[localStorage.length, sessionStorage.length, document.cookie]"
            assert await page.tab.evaluate(stored) == [0, 0, ""]
            sent = [event["request"] for event in page.tab.events("Network.requestWillBeSent")]
            assert not [request["url"] for request in sent if ADMIN_TOKEN in request["url"]]
            await page.tab.reload()
            assert await page.evaluate_text("admin.value") == ""
        assert ADMIN_TOKEN not in verifier.log
