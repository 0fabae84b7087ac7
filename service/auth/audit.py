"""The audit trail: written in the same transaction as the change, never changed afterwards.

What it says of a change beyond ids and field names (states and choices before and after) it sees by itself, as the rows are written.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import event, inspect
from sqlalchemy.orm import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.models import AuditEntry

TOLD = frozenset(
    {
        "active", "allows_measuring", "answered_at", "ends_at", "expires_at", "happenings", "kind", "language", "leadership_roles",
        "may_be_named", "may_share", "organisation_by_hand", "revoked_at", "role", "scheduled_for", "scopes", "starts_at", "status",
        "timezone", "wants_newsletter", "wants_nudges", "with_name",
    }
)  # fmt: skip
"""Columns whose values are told before and after: none holds what somebody wrote, or who somebody is."""
_CHANGES = "changes to be told"
_PLAIN = (str, bool, int, datetime, list, tuple, type(None))

_origin: ContextVar[str] = ContextVar("origin", default="")


def called_from(address: str) -> None:
    """From here on, entries of this request say that it came from `address` (an IP address; empty: from this machine)."""
    _origin.set(address)


def record(
    session: AsyncSession,
    *,
    actor: str,
    action: str,
    subject_type: str,
    subject_id: UUID | str,
    now: datetime,
    **details: str | int | bool | list[str] | None,
) -> None:
    """Note who did what to which thing, and from where. Details are ids, counts and field names, never personal data."""
    session.add(
        AuditEntry(
            at=now,
            actor=actor,
            origin=_origin.get(),
            action=action,
            subject_type=subject_type,
            subject_id=str(subject_id),
            details=dict(details),
        )
    )


@event.listens_for(AuditEntry, "before_update")
@event.listens_for(AuditEntry, "before_delete")
def _append_only(_mapper: Any, _connection: Any, entry: AuditEntry) -> None:
    raise RuntimeError(f"audit entries are never changed: {entry.id}")


@event.listens_for(Session, "before_flush")
def _tell_changes(session: Session, _context: Any, _instances: Any) -> None:
    """Remember states and choices that change in this transaction, and tell them in the entries about those rows."""
    seen: dict[str, dict[str, tuple[Any, Any]]] = session.info.setdefault(_CHANGES, {})
    for row in session.dirty:
        was: Mapping[str, Any] = inspect(row).committed_state
        for name in TOLD.intersection(was):
            if not isinstance(was[name], _PLAIN):  # never loaded: nobody knows what it was
                continue
            of_row = seen.setdefault(str(getattr(row, "id", "")), {})
            first, _ = of_row.get(name, (was[name], None))
            of_row[name] = (first, getattr(row, name))
    for entry in session.new:
        if isinstance(entry, AuditEntry):
            found = seen.get(entry.subject_id, {})
            changes = [f"{name}: {_word(a)} → {_word(b)}" for name, (a, b) in sorted(found.items()) if _word(a) != _word(b)]
            if changes:
                entry.details = {**entry.details, "changes": changes}


@event.listens_for(Session, "after_commit")
@event.listens_for(Session, "after_rollback")
def _forget_changes(session: Session) -> None:
    session.info.pop(_CHANGES, None)


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%MZ}"
    return {None: "none", True: "yes", False: "no"}.get(value, str(value)) if value is None or isinstance(value, bool) else str(value)
