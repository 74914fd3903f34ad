"""The errors that end a start, and the exit status that each of them leads to."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Final

from verifier.config import ConfigError
from verifier.keys.sources.base import KeySourceError
from verifier.log import log, log_internal_error, traceback_summary
from verifier.observability.decision_log import SinkError
from verifier.storage.errors import StoreConfigError
from verifier.tokens.redact import hide_tokens

CONFIGURATION_ERRORS: Final = (ConfigError, KeySourceError, SinkError, StoreConfigError)
"""Errors whose text tells the operator what is wrong with the configuration, without a secret."""


def exit_status_of(run: Callable[[], int]) -> int:
    """Return the exit status of ``run``; report the errors that operators can correct.

    Returns:
        What ``run`` returns; 78 (EX_CONFIG) for a configuration that cannot be used; 1 for any
        other failure of the system, such as an address that cannot be bound.
    """
    try:
        return run()
    except CONFIGURATION_ERRORS as error:
        # An operator may have written a token in the place of a file's name.
        source = getattr(error, "source", "")
        read = f"jitsi-verifier: configuration: {source}\n" if source else ""
        text = hide_tokens(f"{read}{error}")
        print(text, file=sys.stderr)  # noqa: T201  # several lines, for the person at the terminal
        return os.EX_CONFIG
    except OSError as error:
        text = error.strerror or str(error)
        log("cannot listen", logging.ERROR, address=error.filename, error=text)
        return 1
    except Exception as error:  # noqa: BLE001  # Python would print the message, and so values
        log_internal_error(traceback_summary(error))
        return 1
