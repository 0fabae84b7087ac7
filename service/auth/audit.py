"""The audit trail: written in the same transaction as the change, never changed afterwards."""

from contextvars import ContextVar
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import event
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.models import AuditEntry

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
