"""Any content of the files gives a report, never a traceback."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.check_config import compare_hosts, find_entrances, find_risks, read_deployment
from verifier.config import load

OURS = load({"JWT_APP_ID": "app", "JWT_APP_SECRET": "0123456789abcdef0123456789abcdef"})
NAMES = ("JWT_APP_ID", "JWT_APP_SECRET", "XMPP_DOMAIN", "XMPP_MUC_DOMAIN", "GLOBAL_CONFIG")
VALUES = st.text("ab.,\"'\\ $${}#\n=[]é\x1b\x00", max_size=12)
OPTIONS = ("app_id", "app_secret", "asap_accepted_issuers", "cache_keys_url", "allow_empty_token")
LUA_VALUES = ("nil", "true", "0", "1.5", "''", "'a'", "{}", "{ 'a', {} }", "{ {} }", "f", "'\\255'")


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(st.sampled_from(NAMES), VALUES),
    st.dictionaries(st.sampled_from(OPTIONS), st.sampled_from(LUA_VALUES)),
    st.binary(max_size=20),
)
def test_any_files_give_a_report(
    env: dict[str, str], options: dict[str, str], noise: bytes
) -> None:
    variables = "\n".join(f"{name}={value}" for name, value in env.items())
    lua = "\n".join(f"{name} = {value}" for name, value in options.items())
    with TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in (".env", "a.cfg.lua", "b.cfg.lua", "jicofo.conf")]
        more = [Path(folder, name) for name in ("compose.yml", "config.js", "a.properties", "x")]
        for file in more:
            file.write_bytes(noise)
        files[0].write_text(f"ENABLE_AUTH=1\nAUTH_TYPE=jwt\n{variables}")
        files[1].write_text(f'VirtualHost "a.test" authentication = "token"\n{lua}')
        files[2].write_bytes(noise)
        files[3].write_bytes(noise)
        for chosen in (files[:1], files[1:2], files, [*files, *more], more, [Path(folder)]):
            deployment = read_deployment(chosen, {})
            compare_hosts(deployment, OURS)
            find_entrances(deployment, OURS)
            find_risks(deployment, OURS)
