"""Roles, scopes and the form of API keys. Pure: no session, no clock."""

import hashlib
import secrets
from collections.abc import Iterable
from enum import StrEnum

KEY_MARK = "kdl_"
PREFIX_LENGTH = 12


class Role(StrEnum):
    """What a key may do; each role may do what the ones before it may."""

    VIEWER = "viewer"
    FACILITATOR = "facilitator"
    ADMIN = "admin"


class Scope(StrEnum):
    """One thing that a key may do. Sending stands apart from editing: a program that prepares mail need not be able to send it."""

    READ = "read"
    EDIT = "edit"
    SEND = "send"
    ADMIN = "admin"


SCOPES_OF = {
    Role.VIEWER: frozenset({Scope.READ}),
    Role.FACILITATOR: frozenset({Scope.READ, Scope.EDIT, Scope.SEND}),
    Role.ADMIN: frozenset(Scope),
}


def granted(role: Role, scopes: Iterable[Scope]) -> frozenset[Scope]:
    """What a key of this role may do: all that the role may, or only the `scopes` it was narrowed to."""
    narrowed = frozenset(scopes)
    return SCOPES_OF[role] & narrowed if narrowed else SCOPES_OF[role]


def make_key() -> str:
    """A new API key: 256 random bits behind a mark that secret scanners can find."""
    return KEY_MARK + secrets.token_urlsafe(32)


def prefix_of(key: str) -> str:
    """The part of a key by which it is looked up and named; not secret."""
    return key[:PREFIX_LENGTH]


def hash_of(key: str) -> str:
    """What is stored of a key. SHA-256 without salt is enough for 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()
