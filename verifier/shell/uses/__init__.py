"""One-use tokens: who has entered with which, so that nobody else does."""
