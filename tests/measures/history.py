"""A community's history as plain values, and how it looks in the tables."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import EngagementEvent, Reply
from service.events.models import Attendance, Event
from service.events.rules import Attendee, person_key
from service.members.models import Member, MemberChange, Organisation
from service.messages.models import Delivery, Message

OWN_PAGES = "https://cop.example.org"


class Change(NamedTuple):
    """A member's standing and organisation from `at` on."""

    member: str
    at: datetime
    status: str
    organisation: str | None = None


class Sign(NamedTuple):
    """One open or click of a delivery."""

    kind: str
    at: datetime
    human: bool
    url: str = ""


@dataclass(frozen=True)
class Sent:
    """One delivery; `accepted_at` None: the provider never took it."""

    name: str
    kind: str
    member: str
    accepted_at: datetime | None
    bounced: bool = False
    left: bool = False
    complained: bool = False
    tracked: bool = True
    signs: tuple[Sign, ...] = ()


class Visit(NamedTuple):
    """A person at an event: a member's name, or an unknown person's address or name; or registered only."""

    person: str
    attended: bool = True


@dataclass(frozen=True)
class Held:
    """One event."""

    starts_at: datetime
    cancelled: bool = False
    visits: tuple[Visit, ...] = ()


class Answer(NamedTuple):
    """One mail that came back, to the delivery of that name where it is known."""

    kind: str
    delivery: str | None
    at: datetime


@dataclass(frozen=True)
class History:
    """Everything the measures look at."""

    changes: tuple[Change, ...] = ()
    sent: tuple[Sent, ...] = ()
    held: tuple[Held, ...] = ()
    answers: tuple[Answer, ...] = ()
    interests: dict[str, list[str]] = field(default_factory=dict)

    def members(self) -> list[str]:
        """Everybody who ever stood on the list."""
        return sorted({change.member for change in self.changes})


@dataclass
class Written:
    """The ids that the rows got."""

    members: dict[str, UUID] = field(default_factory=dict)
    organisations: dict[str, UUID] = field(default_factory=dict)
    deliveries: dict[str, UUID] = field(default_factory=dict)
    events: list[UUID] = field(default_factory=list)


async def write(session: AsyncSession, history: History) -> Written:
    """Put the history into the tables."""
    ids = Written()
    await _write_people(session, history, ids)
    await _write_mail(session, history, ids)
    await _write_events(session, history, ids)
    for number, answer in enumerate(history.answers):
        delivery_id = ids.deliveries[answer.delivery] if answer.delivery else None
        session.add(Reply(message_key=f"r{number}", kind=answer.kind, delivery_id=delivery_id, at=answer.at, received_at=answer.at))
    await session.flush()
    return ids


async def _write_people(session: AsyncSession, history: History, ids: Written) -> None:
    for name in sorted({c.organisation for c in history.changes if c.organisation}):
        row = Organisation(name=name, name_key=name, created_at=history.changes[0].at)
        session.add(row)
        ids.organisations[name] = row.id
    await session.flush()
    for name in history.members():
        last = max((c for c in history.changes if c.member == name), key=lambda c: c.at)
        gone = last.status == "erased"
        member = Member(
            email="" if gone else f"{name}@x.org",
            email_key=f"erased:{uuid4()}" if gone else f"{name}@x.org",
            status=last.status,
            interests=[] if gone else history.interests.get(name, []),
            organisation_id=ids.organisations.get(last.organisation or ""),
            created_at=last.at,
            updated_at=last.at,
        )
        session.add(member)
        ids.members[name] = member.id
    await session.flush()
    for change in history.changes:
        organisation_id = ids.organisations.get(change.organisation or "")
        session.add(
            MemberChange(
                member_id=ids.members[change.member], at=change.at, status=change.status, organisation_id=organisation_id, source="test"
            )
        )
        await session.flush()  # ids rise in the order of the list


def _first(signs: tuple[Sign, ...], kinds: set[str], *, human: bool) -> datetime | None:
    return min((s.at for s in signs if s.kind in kinds and (s.human or not human)), default=None)


async def _write_mail(session: AsyncSession, history: History, ids: Written) -> None:
    when = datetime.fromisoformat("2020-01-01T00:00:00+00:00")
    message = Message(kind="newsletter", subject="s", html="", text="", created_at=when)
    session.add(message)
    await session.flush()
    for sent in history.sent:
        at, signs = sent.accepted_at, sent.signs
        row = Delivery(
            key=sent.name,
            kind=sent.kind,
            message_id=message.id,
            member_id=ids.members.get(sent.member),
            email="",
            tracked=sent.tracked,
            status="accepted" if at else "failed",
            due_at=when,
            queued_at=when,
            accepted_at=at,
            bounced_at=at if sent.bounced else None,
            unsubscribed_at=at if sent.left else None,
            complained_at=at if sent.complained else None,
            first_opened_at=_first(signs, {"open", "click"}, human=False),
            first_human_opened_at=_first(signs, {"open", "click"}, human=True),
            first_clicked_at=_first(signs, {"click"}, human=False),
            first_human_clicked_at=_first(signs, {"click"}, human=True),
        )
        session.add(row)
        ids.deliveries[sent.name] = row.id
    await session.flush()
    for sent in history.sent:
        for number, sign in enumerate(dict.fromkeys(sent.signs)):  # a repeat has the same key and is kept once
            session.add(
                EngagementEvent(
                    key=f"{sent.name}:{number}",
                    kind=sign.kind,
                    member_id=ids.members.get(sent.member),
                    delivery_id=ids.deliveries[sent.name],
                    at=sign.at,
                    received_at=sign.at + timedelta(days=2),
                    source="webhook",
                    url=sign.url,
                    verdict="human" if sign.human else "machine",
                )
            )


async def _write_events(session: AsyncSession, history: History, ids: Written) -> None:
    for held in history.held:
        event = Event(
            title="Huddle",
            starts_at=held.starts_at,
            ends_at=held.starts_at + timedelta(hours=1),
            status="cancelled" if held.cancelled else "planned",
            created_at=held.starts_at,
            updated_at=held.starts_at,
        )
        session.add(event)
        ids.events.append(event.id)
        await session.flush()
        for visit in held.visits:
            member_id = ids.members.get(visit.person)
            who = Attendee(email=visit.person if "@" in visit.person else "", name=visit.person, member_id=member_id)
            at = held.starts_at
            session.add(
                Attendance(
                    event_id=event.id,
                    person_key=person_key(who),
                    member_id=member_id,
                    registered_at=at,
                    attended_at=at if visit.attended else None,
                )
            )
