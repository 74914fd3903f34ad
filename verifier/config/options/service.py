"""Where the service listens, how it runs, and what it remembers."""

from __future__ import annotations

from typing import Final

from verifier.config import kinds
from verifier.config.addresses import TcpAddress
from verifier.config.kinds import choice
from verifier.config.options.option import Option

SERVICE: Final = (
    Option(
        "listen",
        "VERIFIER_LISTEN",
        kinds.ADDRESSES,
        (TcpAddress("127.0.0.1", 8090),),
        "127.0.0.1:8090",
        "Where proxies ask: HOST:PORT, [IPV6]:PORT or unix:/path, one or several.",
    ),
    Option(
        "admin_listen",
        "VERIFIER_ADMIN_LISTEN",
        kinds.ADDRESS,
        TcpAddress("127.0.0.1", 8091),
        "127.0.0.1:8091",
        "Where metrics, health, keys and explain are served.",
    ),
    Option(
        "admin_token",
        "VERIFIER_ADMIN_TOKEN",
        kinds.BEARER_TOKEN,
        None,
        "none",
        "Guards the admin address; required where others than this machine reach it.",
    ),
    Option(
        "workers",
        "VERIFIER_WORKERS",
        kinds.WORKERS,
        1,
        "1",
        "How many processes answer, 1 to 64; at most one for each core that is free for them.",
    ),
    Option(
        "drain_timeout",
        "VERIFIER_DRAIN_TIMEOUT",
        kinds.UP_TO_A_MINUTE,
        10.0,
        "10",
        "The longest time, seconds, that requests in flight may take at the end.",
    ),
    Option(
        "token_cookie",
        "VERIFIER_TOKEN_COOKIE",
        kinds.COOKIE_NAME,
        None,
        "off",
        "The cookie to take a token from where neither query nor header has one.",
    ),
    Option(
        "decision_ttl",
        "VERIFIER_DECISION_TTL",
        kinds.UP_TO_A_DAY,
        30,
        "30",
        "The longest time, seconds, that an allow may be cached.",
    ),
    Option(
        "decision_cache_size",
        "VERIFIER_DECISION_CACHE_SIZE",
        kinds.UP_TO_A_MILLION,
        50_000,
        "50000",
        "How many answers are kept in memory, of 1 KB each in the mean; 0 for none.",
    ),
    Option(
        "revocation_store",
        "VERIFIER_REVOCATION_STORE",
        kinds.STORE,
        "memory:",
        "memory:",
        "Where revocations and uses are kept: memory: until the end, sqlite:///path, redis://host.",
    ),
    Option(
        "single_use",
        "VERIFIER_SINGLE_USE",
        choice("off", "jti"),
        "off",
        "off",
        "Whether a token opens its room once only: jti, by its jti and iss claims.",
    ),
    Option(
        "single_use_window",
        "VERIFIER_SINGLE_USE_WINDOW",
        kinds.UP_TO_A_DAY,
        60,
        "60",
        "For how long, seconds, a one-use token goes on opening its room after its first entry.",
    ),
)
