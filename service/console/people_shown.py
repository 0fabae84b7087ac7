"""Names for ids: lists of the API name members by id alone."""

from collections.abc import Iterable
from uuid import UUID

from sqlmodel import col, select

from service.console.desk import Desk
from service.members.models import Member


async def people_named(desk: Desk, ids: Iterable[str | None]) -> dict[str, dict[str, str]]:
    """id, first_name, last_name, email and status of these members, by id; nobody for ids that are None or unknown."""
    wanted = [UUID(i) for i in {i for i in ids if i}]
    columns = (Member.id, Member.first_name, Member.last_name, Member.email, Member.status)
    query = select(*columns).where(col(Member.id).in_(wanted))  # type: ignore[call-overload]
    async with desk.parts.database.reading() as session:
        rows = (await session.exec(query)).all()
    return {str(i): {"id": str(i), "first_name": a, "last_name": b, "email": e, "status": s} for i, a, b, e, s in rows}
