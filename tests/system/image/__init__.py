"""Builds the image without a container engine, and tries it: ``make image-test``."""
