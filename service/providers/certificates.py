"""The certificates that calls to a provider are checked against."""

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """Read once in a process: reading them takes longer than a call does. Clients may share it."""
    return httpx.create_ssl_context()
