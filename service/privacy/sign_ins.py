"""A member who also signs in to the console: their sign-in is found by the address, told with their data, and goes with their erasure."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.console.models import ConsolePerson, ConsoleSession, SignInLink
from service.members.rules import email_key
from service.messages.models import Delivery
from service.messages.rules import MessageKind
from service.privacy.blanking import blank_mail_to


async def sign_ins(session: AsyncSession, addresses: Sequence[str]) -> list[ConsolePerson]:
    """Who signs in, or did, by one of these addresses."""
    keys = [email_key(address) for address in addresses]
    return list((await session.exec(select(ConsolePerson).where(col(ConsolePerson.email_key).in_(keys)))).all())


async def sessions_of(session: AsyncSession, people: Sequence[ConsolePerson]) -> list[ConsoleSession]:
    """Their sessions that are still kept, oldest first."""
    ids = [person.id for person in people]
    query = select(ConsoleSession).where(col(ConsoleSession.person_id).in_(ids)).order_by(col(ConsoleSession.started_at))
    return list((await session.exec(query)).all())


async def forget_sign_ins(session: AsyncSession, addresses: Sequence[str], *, by: str, now: datetime) -> None:
    """They are signed out everywhere, get no link any more, and nothing names them; the trail keeps an id."""
    people = await sign_ins(session, addresses)
    ids = [person.id for person in people]
    if not ids:
        return
    for table in (SignInLink, ConsoleSession):
        await session.exec(delete(table).where(col(table.person_id).in_(ids)))
    await blank_mail_to(session, addresses, col(Delivery.kind) == MessageKind.SIGN_IN)
    await session.exec(delete(ConsolePerson).where(col(ConsolePerson.id).in_(ids)))
    for person_id in ids:
        record(session, actor=by, action="remove_person", subject_type="person", subject_id=person_id, now=now)
