"""The people who sign in by a mailed link: added, changed, removed; and the links themselves."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.auth.rules import Role
from service.briefing.people import gets_morning_mail
from service.console.models import ConsolePerson, ConsoleSession, SignInLink
from service.db import insert_new
from service.errors import InvalidInput, NotFound
from service.members.rules import email_key, read_address
from service.messages.outbox import Recipient, queue_message
from service.messages.rules import MessageKind
from service.parts import Parts
from service.tokens import Purpose

LINK_MAX_AGE = timedelta(minutes=15)
NOT_GOOD = InvalidInput("This link does not work any more: it is good once, for 15 minutes. Ask for a new one.")
"""The same words whatever is wrong with it."""


async def people(session: AsyncSession) -> Sequence[ConsolePerson]:
    """Everybody who may sign in by mail, by name."""
    query = select(ConsolePerson).where(col(ConsolePerson.removed_at).is_(None))
    return (await session.exec(query.order_by(col(ConsolePerson.name), col(ConsolePerson.id)))).all()


async def may_sign_in(session: AsyncSession, email: str) -> bool:
    """Does somebody sign in to the console by this address?"""
    query = select(ConsolePerson.id).where(ConsolePerson.email_key == email_key(email), col(ConsolePerson.removed_at).is_(None))
    return bool(email) and (await session.exec(query)).first() is not None


async def allow_person(
    session: AsyncSession, *, name: str, email: str, role: Role, by: str, now: datetime, morning_mail: bool | None = None
) -> ConsolePerson:
    """Let a person sign in by mail with this role; somebody known gets the new name and role. `morning_mail`: they are one of those who
    run the community, or are not; None leaves that as it is. Raises InvalidInput.
    """
    address, key = read_address(email)
    if not name.strip():
        raise InvalidInput.field("name", "say who it is")
    fresh = ConsolePerson(name=name.strip()[:100], email=address, email_key=key, role=role, added_at=now)
    await insert_new(session, ConsolePerson, [fresh.model_dump()], unique=["email_key"])
    person = (await session.exec(select(ConsolePerson).where(ConsolePerson.email_key == key).with_for_update())).one()
    person.name, person.email, person.role, person.removed_at = name.strip()[:100], address, role, None
    session.add(person)
    record(session, actor=by, action="allow_person", subject_type="person", subject_id=person.id, now=now, role=role)
    if morning_mail is not None:
        await gets_morning_mail(session, name=person.name, email=address, wanted=morning_mail, by=by, now=now)
    return person


async def remove_person(session: AsyncSession, person_id: UUID, *, by: str, now: datetime) -> None:
    """They are signed out everywhere, and get no link and no morning mail any more: its links act without a sign-in. Raises NotFound."""
    person = await session.get(ConsolePerson, person_id, with_for_update=True)
    if person is None or person.removed_at is not None:
        raise NotFound("There is no such person.")
    person.removed_at = now
    session.add(person)
    mine = (col(ConsoleSession.person_id) == person_id) & col(ConsoleSession.ended_at).is_(None)
    await session.exec(update(ConsoleSession).where(mine).values(ended_at=now).execution_options(synchronize_session=False))
    await gets_morning_mail(session, name="", email=person.email, wanted=False, by=by, now=now)
    record(session, actor=by, action="remove_person", subject_type="person", subject_id=person_id, now=now)


async def mail_link(session: AsyncSession, parts: Parts, email: str, *, now: datetime) -> bool:
    """Mail a link to this address if somebody there may sign in; was there somebody? The page says the same in both cases."""
    try:
        _, key = read_address(email)
    except InvalidInput:
        return False
    person = (await session.exec(select(ConsolePerson).where(ConsolePerson.email_key == key))).one_or_none()
    if person is None and key == email_key(parts.settings.facilitator_address or ""):
        name = parts.settings.from_name or "Facilitator"
        person = await allow_person(session, name=name, email=email, role=Role.FACILITATOR, by="system", now=now)
    if person is None or person.removed_at is not None:
        return False
    link = SignInLink(person_id=person.id, made_at=now)
    session.add(link)
    await session.flush()
    token = parts.tokens.sign_timed(Purpose.SIGN_IN, link.id.hex, now=now)
    address = parts.links.page(f"/console/sign-in/{token}")
    minutes = int(LINK_MAX_AGE.total_seconds() // 60)
    content = parts.renderer.render(MessageKind.SIGN_IN, {"url": address, "minutes": minutes})
    recipient = Recipient(person.email, person.name)
    await queue_message(session, parts, key=f"sign_in:{link.id}", kind=MessageKind.SIGN_IN, recipient=recipient, content=content, now=now)
    return True


async def person_of_link(
    session: AsyncSession, parts: Parts, token: str, *, now: datetime, lock: bool = False
) -> tuple[SignInLink, ConsolePerson]:
    """The link and whom it lets in; with `lock` nobody else can use it meanwhile. Raises InvalidInput, the same for any cause."""
    try:
        link_id = UUID(hex=parts.tokens.read_timed(Purpose.SIGN_IN, token, now=now, max_age=LINK_MAX_AGE))
    except (InvalidInput, ValueError) as error:
        raise NOT_GOOD from error
    link = await session.get(SignInLink, link_id, with_for_update=True if lock else None)
    person = await session.get(ConsolePerson, link.person_id) if link else None
    if link is None or person is None or link.used_at is not None or person.removed_at is not None:
        raise NOT_GOOD
    return link, person
