"""What a provider said, made fit for logs and eyes. Pure."""

import re

_ADDRESS = re.compile(r"[^\s@\"'<>,;:()]+@[^\s@\"'<>,;:()]+")


def scrub(text: str) -> str:
    """The provider's words without addresses, at most 500 characters: fit for logs and the facilitator."""
    return _ADDRESS.sub("(address)", text)[:500]
