"""The admin address: metrics, health, keys, explanations, two pages."""
