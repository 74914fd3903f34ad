"""Errors of stores, whatever a store keeps and wherever it keeps it."""

from __future__ import annotations


class StoreUnavailableError(Exception):
    """The store cannot be read or written now; logs and answers show the text."""


class StoreConfigError(Exception):
    """The configured store can never be used; the text names the option and what was expected."""
