"""Kindling: keeps a community of practice warm by email."""

import sys

__version__ = "0.1.0"

sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # httpx's own command line: it brings rich and pygments, 4 MB
