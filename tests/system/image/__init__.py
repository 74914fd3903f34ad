"""Builds the image without a container engine, and tests it: ``make image-test``."""
