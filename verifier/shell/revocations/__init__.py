"""Revocations: where they are kept, and what this process knows of them."""
