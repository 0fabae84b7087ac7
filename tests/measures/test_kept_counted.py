"""What is kept counted against the long way over the rows themselves: after any change in any order, folded and kept, half of it or not."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy
from sqlalchemy import delete, func, text, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database, is_sqlite
from service.engagement.models import EngagementEvent
from service.measures.counts import EmailCounts
from service.measures.figures import email_counts
from service.measures.keeping import keep_counted, rebuild
from service.measures.link_keeping import fold_some_links, keep_window
from service.measures.links import count_links, top_links
from service.measures.models import LinkChange, LinkPerson, LinkTally, LinkWindow, MailChange, MailTally
from service.measures.quarter import Frame
from service.measures.quarters import Quarter
from service.measures.tallies import NUMBERS, fold_some, mail_sums
from service.measures.windows import Window, accepted_in
from service.members.history import organisations_on_list, people_on_list
from service.members.models import Member, MemberChange, MemberStanding, Organisation
from service.messages.models import Delivery, Message
from tests.measures.test_random_histories import ZONES

OWN = "https://cop.example.org"
QUARTER = Quarter(2026, 3)
WINDOWS = [Window.of(QUARTER, zone) for zone in ZONES]
ODD = Window(WINDOWS[0].start + timedelta(minutes=10), WINDOWS[0].start + timedelta(minutes=50))
START = WINDOWS[0].start
NOW = WINDOWS[0].end - timedelta(days=1)
MOMENTS = [START + timedelta(minutes=m) for m in (-1, 0, 14, 15, 30, 45, 59, 60, 330, 60 * 24 * 40)]
URLS = ["", "https://a.org", "https://b.org", f"{OWN}/unsubscribe/t"]
TIMES = [
    "accepted_at",
    "bounced_at",
    "unsubscribed_at",
    "complained_at",
    "first_opened_at",
    "first_human_opened_at",
    "first_clicked_at",
    "first_human_clicked_at",
]


class World:
    """A small community that changes in every way there is."""

    def __init__(self, session: AsyncSession, rng: random.Random) -> None:
        self.session, self.rng = session, rng

    async def found(self) -> None:
        self.organisations = [Organisation(name=n, name_key=n, created_at=START) for n in "abc"]
        people = [Member(email=f"{n}@x.org", email_key=f"{n}@x.org", created_at=START, updated_at=START) for n in range(4)]
        self.message = Message(kind="newsletter", subject="s", html="", text="", created_at=START)
        self.session.add_all([*self.organisations, *people, self.message])
        await self.session.flush()
        self.members = [m.id for m in people]
        for _ in range(6):
            await self.send()

    async def send(self) -> None:
        kind = self.rng.choice(["newsletter", "nudge"])
        row = Delivery(key=str(uuid4()), kind=kind, message_id=self.message.id, email="e", due_at=START, queued_at=START)
        for name in (*TIMES, "member_id"):
            self.alter(row, name)
        self.session.add(row)

    def alter(self, row: Delivery, name: str) -> None:
        if name in TIMES:
            is_empty = self.rng.random() < (0.8 if name == "bounced_at" else 0.2)
            setattr(row, name, None if is_empty else self.rng.choice(MOMENTS))
        row.member_id = self.rng.choice([None, *self.members]) if name == "member_id" else row.member_id
        row.tracked = not row.tracked if name == "tracked" else row.tracked
        row.kind = self.rng.choice(["newsletter", "nudge"]) if name == "kind" else row.kind

    async def one(self, model: type[Any]) -> Any:
        rows = (await self.session.exec(select(model).order_by(model.id))).all()
        return self.rng.choice(rows) if rows else None

    async def change(self) -> None:
        """Anything may happen, in any order."""
        ways = [self.send, self.altered, self.altered, self.click, self.click, self.judged, self.gone, self.stand, self.stand, self.merge]
        await self.rng.choice([*ways, self.history_altered])()
        await self.session.flush()

    async def altered(self) -> None:
        if mail := await self.one(Delivery):
            self.alter(mail, self.rng.choice([*TIMES, "member_id", "tracked", "kind"]))

    async def click(self) -> None:
        rng, mail = self.rng, await self.one(Delivery)
        values = {
            "kind": rng.choice(["click", "click", "open"]),
            "verdict": rng.choice(["human", "human", "unsure"]),
            "url": rng.choice(URLS),
        }
        moment = rng.choice(MOMENTS)
        values |= {"key": uuid4().hex, "source": "report", "delivery_id": mail and mail.id}
        self.session.add(EngagementEvent(at=moment, received_at=moment, **values))

    async def judged(self) -> None:
        mail, sign = await self.one(Delivery), await self.one(EngagementEvent)
        if mail and sign:
            sign.verdict, sign.url, sign.delivery_id = self.rng.choice(["human", "machine"]), self.rng.choice(URLS), mail.id

    async def gone(self) -> None:
        if sign := await self.one(EngagementEvent):
            await self.session.delete(sign)
            await self.session.flush()
        if mail := await self.one(Delivery):
            await self.session.exec(delete(EngagementEvent).where(col(EngagementEvent.delivery_id) == mail.id))
            await self.session.delete(mail)

    async def stand(self) -> None:
        values = {"status": self.rng.choice(["subscribed", "subscribed", "erased"]), "organisation_id": self.an_organisation()}
        self.session.add(MemberChange(member_id=self.rng.choice(self.members), at=self.rng.choice(MOMENTS), source="test", **values))

    async def history_altered(self) -> None:
        """It is append-only, and yet."""
        if change := await self.one(MemberChange):
            change.at, change.member_id = self.rng.choice(MOMENTS), self.rng.choice(self.members)
            await self.session.flush()
            if self.rng.random() < 0.3:
                await self.session.delete(change)

    async def merge(self) -> None:
        self.rng.choice(self.organisations[1:]).merged_into_id = self.organisations[0].id

    def an_organisation(self) -> UUID | None:
        chosen = self.rng.choice([None, *self.organisations])
        return chosen.id if chosen else None


async def counted_from_mail(session: AsyncSession, window: Window) -> dict[str, EmailCounts]:
    query = sqlalchemy.select(col(Delivery.kind), *mail_sums()).where(accepted_in(window)).group_by(col(Delivery.kind))
    return {row[0]: EmailCounts(*map(int, row[1:])) for row in await (await session.connection()).execute(query)}


async def list_from_history(session: AsyncSession, at: datetime) -> tuple[int, int]:
    changes = (await session.exec(select(MemberChange).order_by(col(MemberChange.at), col(MemberChange.id)))).all()
    merged = dict((await session.exec(select(Organisation.id, func.coalesce(Organisation.merged_into_id, Organisation.id)))).all())
    standing = {change.member_id: change for change in changes if change.at <= at}
    on_list = [change for change in standing.values() if change.status == "subscribed"]
    return len(on_list), len({merged[c.organisation_id] for c in on_list if c.organisation_id})


async def everything_agrees(session: AsyncSession) -> None:
    for window in (*WINDOWS, ODD, Window(MOMENTS[0], MOMENTS[-1] + timedelta(seconds=1))):
        assert await email_counts(session, window) == await counted_from_mail(session, window)
        assert await top_links(session, window, own_pages=OWN) == await count_links(session, window, own_pages=OWN)
    for at in MOMENTS:
        assert (await people_on_list(session, at), await organisations_on_list(session, at)) == await list_from_history(session, at)


@pytest.mark.parametrize("seed", range(2))
async def test_what_is_kept_equals_the_rows_after_every_change(database: Database, seed: int) -> None:
    rng = random.Random(seed)
    async with AsyncSession(database.engine, expire_on_commit=False) as session:
        world = World(session, rng)
        await world.found()
        await session.commit()
        ever_kept: set[str] = set()
        for _ in range(12):
            for _ in range(rng.randrange(1, 30)):
                await world.change()
            if rng.random() < 0.8:
                await session.commit()
                await _some_upkeep(database, rng)
            await everything_agrees(session)
            for table in (MailTally, LinkWindow, LinkTally, LinkPerson, LinkChange):
                ever_kept |= {table.__name__} if (await session.exec(select(table).limit(1))).first() else set()
            await session.commit()
    assert ever_kept == {"MailTally", "LinkWindow", "LinkTally", "LinkPerson", "LinkChange"}


async def _some_upkeep(database: Database, rng: random.Random) -> None:
    """The whole of it, a part, or none."""
    chosen = rng.choice(["none", "some", "links", "all"])
    if chosen == "some":
        async with database.transaction() as session:
            await fold_some(session, limit=3)
            await fold_some_links(session, limit=3)
    elif chosen == "links":
        await keep_window(database, rng.choice(WINDOWS))
    elif chosen == "all":
        await keep_counted(database, Frame(rng.choice(ZONES), OWN), now=NOW)


async def _a_click(session: AsyncSession, url: str = "https://a.org") -> None:
    world = World(session, random.Random(1))
    await world.found()
    for row in await session.exec(select(Delivery)):
        row.accepted_at, row.bounced_at, row.first_human_clicked_at = MOMENTS[-1], None, MOMENTS[-1]
        click = {"kind": "click", "verdict": "human", "url": url, "source": "report"}
        session.add(EngagementEvent(key=uuid4().hex, delivery_id=row.id, at=MOMENTS[-1], received_at=MOMENTS[-1], **click))


async def test_when_all_is_folded_and_kept_there_is_nothing_left_to_go_through(database: Database) -> None:
    async with database.transaction() as session:
        await _a_click(session)
    frame = Frame(ZONES[0], OWN)
    assert await keep_counted(database, frame, now=NOW) > 0
    assert await keep_counted(database, frame, now=NOW) == 0
    async with database.reading() as session:
        for table in (MailChange, LinkChange):
            assert (await session.exec(select(table))).all() == []
        assert [(row.url, row.clicks) for row in await session.exec(select(LinkTally))] == [("https://a.org", 6)]
        assert await top_links(session, WINDOWS[0], own_pages=OWN)


async def test_what_comes_while_nothing_is_folded_is_read_all_the_same(database: Database) -> None:
    async with database.transaction() as session:
        await _a_click(session)
    assert await keep_window(database, WINDOWS[0])
    assert not await keep_window(database, WINDOWS[0])
    async with database.transaction() as session:
        await fold_some_links(session)
    async with database.transaction() as session:
        first, second = (await session.exec(select(EngagementEvent).order_by(col(EngagementEvent.id)).limit(2))).all()
        first.url = "https://b.org"
        await session.delete(second)
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(LinkChange)) == 3
        assert [(link.url, link.clicks) for link in await top_links(session, WINDOWS[0], own_pages=OWN)] == [
            ("https://a.org", 4),
            ("https://b.org", 1),
        ]
        await everything_agrees(session)


@pytest.mark.parametrize("template", ["postgresql"], indirect=True)  # SQLite has one writer at a time
@pytest.mark.parametrize("click_first", [True, False])
async def test_a_click_and_a_change_of_its_mail_at_one_moment(database: Database, click_first: bool) -> None:
    """Neither would see the other: the click is not there yet for one, the mail not changed yet for the other."""
    async with database.transaction() as session:
        await _a_click(session)
        mail_id = (await session.exec(select(Delivery.id).limit(1))).one()
    await keep_window(database, WINDOWS[0])

    async def click(other: asyncio.Event, mine: asyncio.Event) -> None:
        async with database.transaction() as session:
            await other.wait() if not click_first else None
            mine.set()
            key = uuid4().hex
            values = {"kind": "click", "verdict": "human", "url": "https://b.org", "source": "report", "delivery_id": mail_id}
            session.add(EngagementEvent(key=key, at=NOW, received_at=NOW, **values))
            await session.flush()
            await asyncio.sleep(0.2)

    async def bounce(other: asyncio.Event, mine: asyncio.Event) -> None:
        async with database.transaction() as session:
            if click_first:
                await other.wait()
                await asyncio.sleep(0.1)
            (await session.get_one(Delivery, mail_id)).bounced_at = NOW
            await session.flush()
            mine.set()
            await asyncio.sleep(0.2)

    clicked, bounced = asyncio.Event(), asyncio.Event()
    await asyncio.gather(asyncio.create_task(click(bounced, clicked)), asyncio.create_task(bounce(clicked, bounced)))
    async with database.reading() as session:
        await everything_agrees(session)
    await keep_counted(database, Frame(ZONES[0], OWN), now=NOW)
    async with database.reading() as session:
        await everything_agrees(session)


async def test_all_of_it_can_be_made_anew_from_the_rows(database: Database) -> None:
    async with database.transaction() as session:
        await _a_click(session)
        member_id = (await session.exec(select(Member.id).limit(1))).one()
        session.add(MemberChange(member_id=member_id, at=START, status="subscribed", source="test"))
    frame = Frame(ZONES[0], OWN)
    await keep_counted(database, frame, now=NOW)
    async with database.transaction() as session:
        await session.exec(delete(MailTally))
        await session.exec(delete(MemberStanding))
        await session.exec(update(LinkTally).values(people=7))
        await session.exec(update(LinkPerson).values(clicks=7))
        session.add(MailTally(hour=START, kind="newsletter", **dict.fromkeys(NUMBERS, 7)))
    await rebuild(database)
    async with database.reading() as session:
        assert await people_on_list(session, NOW) == 1
        await everything_agrees(session)


async def test_every_trigger_is_there(database: Database) -> None:
    """SQLite drops a table's triggers when a migration makes the table anew: such a migration has to make them again."""
    names = {"mail_counted", "click_counted", "standing_kept"}
    expected = {f"{name}_{happening}" for name in names for happening in ("insert", "update", "delete")} | {"clicked_mail_counted_update"}
    async with database.reading() as session:
        expected |= {"audit_entry_stays_update", "audit_entry_stays_delete"} if is_sqlite(session) else {"audit_entry_stays"}
        source = "sqlite_master WHERE type = 'trigger'" if is_sqlite(session) else "pg_trigger WHERE NOT tgisinternal"
        name = "name" if is_sqlite(session) else "tgname"
        found = await (await session.connection()).execute(text(f"SELECT {name} FROM {source}"))  # noqa: S608  # our own names
        assert {row[0] for row in found} == expected


async def test_a_standing_that_comes_late_does_not_replace_a_newer_one(session: AsyncSession) -> None:
    world = World(session, random.Random(1))
    await world.found()
    for at, status in ((MOMENTS[5], "unsubscribed"), (MOMENTS[2], "subscribed")):
        session.add(MemberChange(member_id=world.members[0], at=at, status=status, source="test"))
        await session.flush()
    assert [row.status for row in await session.exec(select(MemberStanding))] == ["unsubscribed"]
    assert [await people_on_list(session, at) for at in (MOMENTS[1], MOMENTS[2], MOMENTS[5])] == [0, 1, 0]


def test_whole_hours_are_parted_from_what_a_window_cuts_off() -> None:
    at = datetime(2026, 7, 1, 9, tzinfo=UTC)

    def minutes(first: int, last: int) -> Window:
        return Window(at + timedelta(minutes=first), at + timedelta(minutes=last))

    assert minutes(0, 120).by_hours() == (minutes(0, 0), minutes(0, 120), minutes(120, 120))
    assert minutes(15, 150).by_hours() == (minutes(15, 60), minutes(60, 120), minutes(120, 150))
    assert minutes(10, 50).by_hours() == (minutes(10, 50), minutes(50, 50), minutes(50, 50))
    assert minutes(30, 60).by_hours() == (minutes(30, 60), minutes(60, 60), minutes(60, 60))
    assert minutes(0, -5).by_hours() == (minutes(0, 0), minutes(0, 0), minutes(0, 0))
