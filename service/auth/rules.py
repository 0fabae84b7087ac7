"""Roles and the form of API keys. Pure: no session, no clock."""

import hashlib
import secrets
from enum import StrEnum

KEY_MARK = "kdl_"
PREFIX_LENGTH = 12


class Role(StrEnum):
    """What a key may do; each role may do what the ones before it may."""

    VIEWER = "viewer"
    FACILITATOR = "facilitator"
    ADMIN = "admin"


_RANK = {Role.VIEWER: 0, Role.FACILITATOR: 1, Role.ADMIN: 2}


def allows(held: Role, needed: Role) -> bool:
    """Does a key with role `held` count where `needed` is asked for?"""
    return _RANK[held] >= _RANK[needed]


def make_key() -> str:
    """A new API key: 256 random bits behind a mark that secret scanners can find."""
    return KEY_MARK + secrets.token_urlsafe(32)


def prefix_of(key: str) -> str:
    """The part of a key by which it is looked up and named; not secret."""
    return key[:PREFIX_LENGTH]


def hash_of(key: str) -> str:
    """What is stored of a key. SHA-256 without salt is enough for 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()
