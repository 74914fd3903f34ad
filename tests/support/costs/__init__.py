"""What crafted requests cost: the service in this process, its configurations, and the requests.

``make bench ONLY=costs`` and the fuzzer of costs use this package.
"""
