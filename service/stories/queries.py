"""Stories as others need them: those that may be shown, and who could be asked for one."""

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.stories.models import Story


async def stories_with_permission(session: AsyncSession, since: datetime, until: datetime) -> Sequence[Story]:
    """Stories told from `since` (included) to `until` (excluded), oldest first, whose members agreed to the words as they now stand.
    A yes that was taken back since takes the story out. Use `actions.teller_of` for the name to show.
    """
    query = select(Story).where(
        Story.created_at >= since,
        Story.created_at < until,
        col(Story.may_share).is_(True),
        col(Story.agreed_at) >= col(Story.words_changed_at),
    )
    return (await session.exec(query.order_by(col(Story.created_at), col(Story.id)))).all()
