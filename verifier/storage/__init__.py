"""Access to SQLite and Redis, shared by the stores of revocations and of redemptions."""
