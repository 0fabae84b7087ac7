"""Ids as Mailchimp makes them, but repeatable: the same seed and order give the same ids."""

import hashlib


def md5_hex(text: str) -> str:
    """Return the MD5 of the text as 32 hex digits (a name, not a secret)."""
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def member_hash(email: str) -> str:
    """Return Mailchimp's subscriber_hash: MD5 of the stripped, lower-cased address."""
    return md5_hex(email.strip().lower())


def unique_email_id(email: str) -> str:
    """Return the ten-digit id that names an address across all audiences."""
    return md5_hex("unique:" + email.strip().lower())[:10]


def fraction(*parts: object) -> float:
    """Return a number in [0, 1) that depends on the parts alone."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
