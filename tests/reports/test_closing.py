"""The report of a closed quarter: frozen, sent to its readers, and read by a link without a key."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from service.engagement.models import Reply
from service.measures.models import QuarterSnapshot
from service.messages.models import Delivery, Message
from service.parts import Parts
from service.reports.closing import close_due
from service.settings import Settings
from service.stories.models import Story
from tests.fakes import FrozenClock
from tests.measures.history import write
from tests.measures.test_hand_worked import history
from tests.pages.conftest import app_client

DUE = datetime(2026, 7, 15, tzinfo=UTC)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(DUE)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"report_to": "facilitator@example.org,sponsor@example.org"})


async def _mails(parts: Parts) -> list[tuple[str, Message]]:
    async with parts.database.reading() as session:
        query = select(Delivery.email, Message).join(Message).where(Delivery.kind == "quarterly_report").order_by(Delivery.email)
        return list((await session.exec(query)).all())


async def test_closing_freezes_the_report_and_tells_each_reader_once(parts: Parts, clock: FrozenClock) -> None:
    async with parts.database.transaction() as session:
        await write(session, history())
    assert await close_due(parts) >= 1
    assert await close_due(parts) == 0
    mails = await _mails(parts)
    assert [address for address, _ in mails] == ["facilitator@example.org", "sponsor@example.org"]
    assert "People on the mailing list: 7" in mails[1][1].text
    link = next(link for link in mails[1][1].links if "/report/" in link and not link.endswith(".pdf"))
    path = link.removeprefix("http://127.0.0.1:8000")
    async with app_client(parts) as client:
        before = await client.get(path)
        assert before.status_code == 200
        assert "script-src" not in before.headers["content-security-policy"]
        assert "frozen" not in before.text
        pdf = await client.get(f"{path}.pdf")
        assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
        assert (await client.get(f"{path[:-2]}xx")).status_code == 404
    async with parts.database.transaction() as session:  # an answer that comes late
        found = (await session.exec(select(Delivery).where(Delivery.key == "d8"))).one()
        session.add(Reply(message_key="late", kind="reply", delivery_id=found.id, at=DUE, received_at=DUE))
        told = {"created_at": DUE - timedelta(days=60), "updated_at": DUE, "words_changed_at": DUE, "agreed_at": DUE}
        session.add(Story(text="Two wards dropped a chart.", what_changed="An hour back.", may_share=True, **told))
        session.add(Story(text="Not for others.", may_share=False, **told))
    async with app_client(parts) as client:
        after = (await client.get(path)).text
    assert "What came in after closing" in after
    assert "Two wards dropped a chart." in after
    assert "Not for others." not in after
    async with parts.database.reading() as session:
        kept = (await session.exec(select(QuarterSnapshot).where(QuarterSnapshot.quarter == "2026-Q2"))).one()
    assert kept.report is not None
    assert "restated" not in [section["key"] for section in kept.report["sections"]]
