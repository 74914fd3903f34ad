"""HTTP, and the only place that imports ``aiohttp.web``."""
