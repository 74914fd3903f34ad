"""SQLite and Redis, for the stores of revocations and redemptions."""
