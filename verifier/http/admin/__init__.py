"""The admin address: metrics, health, keys, explanations, revocations and two pages."""
