"""Two subjects for one edition: who gets which, and what the figures say."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from sqlmodel import col, select

from service.campaigns.models import Campaign
from service.measures.windows import Window
from service.messages.models import Delivery, Message
from service.newsletter.campaigns import Variant, variant_for
from service.newsletter.models import Edition
from service.newsletter.subjects import SubjectResult, chance, verdict
from service.parts import Parts
from service.reports.gather import edition_rows
from service.settings import TrialBy
from tests.fakes import NOW
from tests.newsletter.community import add_readers, edition_now, mailchimp_accepts, ready_edition, tick
from tests.newsletter.test_api import API, ok

SECOND = "Four minutes that halve falls"
FREEZE = NOW + timedelta(minutes=45)


@pytest.fixture
def parts(parts: Parts, request: pytest.FixtureRequest) -> Parts:
    """By two campaigns, unless a test says otherwise."""
    by = getattr(request, "param", TrialBy.CAMPAIGNS)
    return replace(parts, settings=parts.settings.model_copy(update={"newsletter_trial": by}))


async def a_trial(client: httpx.AsyncClient, parts: Parts) -> Edition:
    await add_readers(parts.database, *(f"reader{n}" for n in range(24)))
    await add_readers(parts.database, "quiet", allows_measuring=False)
    edition = await ready_edition(parts, approved=False)
    await ok(await client.patch(f"{API}/editions/{edition.id}", json={"subject_b": SECOND}))
    await ok(await client.post(f"{API}/editions/{edition.id}/approve"))
    await tick(parts, FREEZE)
    return await edition_now(parts.database, edition.id)


async def test_each_measured_reader_gets_one_of_two_subjects_and_others_the_first(client: httpx.AsyncClient, parts: Parts) -> None:
    edition = await a_trial(client, parts)
    await tick(parts, FREEZE)
    async with parts.database.reading() as session:
        query = select(Delivery.email, Message.subject, Delivery.tracked, Message.html).join(
            Message, col(Message.id) == Delivery.message_id
        )
        rows = (await session.exec(query)).all()
        titles = [title.rpartition("/")[2] for title in (await session.exec(select(Campaign.title))).all()]
    assert sorted(titles) == ["measured", "measured-b", "unmeasured"]
    assert len({email for email, *_ in rows}) == len(rows) == 25
    halves = Counter(subject for _, subject, tracked, _ in rows if tracked)
    assert set(halves) == {edition.subject, SECOND}
    assert min(halves.values()) >= 5
    assert [subject for email, subject, _, _ in rows if email.startswith("quiet")] == [edition.subject]
    assert all((SECOND in html) is (subject == SECOND) for _, subject, _, html in rows)


@pytest.mark.parametrize("parts", [TrialBy.VARIATE], indirect=True)
async def test_by_an_ab_campaign_all_measured_readers_are_in_one_and_the_report_waits_for_who_got_which(
    client: httpx.AsyncClient, parts: Parts
) -> None:
    edition = await a_trial(client, parts)
    async with parts.database.reading() as session:
        trial, other = (await session.exec(select(Campaign).order_by(col(Campaign.title)))).all()
        rows = Counter((await session.exec(select(Delivery.campaign_id))).all())
        subjects = [(await session.get_one(Message, UUID(one))).subject for one in trial.trial]
        sent = await session.get_one(Message, trial.message_id)
    assert [c.title.rpartition("/")[2] for c in (trial, other)] == ["trial", "unmeasured"]
    assert (rows[trial.id], rows[other.id], other.trial) == (24, 1, [])
    assert subjects == [edition.subject, SECOND]
    assert "*|MC:SUBJECT|*</h1>" in sent.html.replace("\n", "")
    preview = await client.get(f"{API}/editions/{edition.id}/preview")
    assert edition.subject in preview.text
    assert "MC:SUBJECT" not in preview.text
    await mailchimp_accepts(parts.database, edition.id, NOW)
    await tick(parts, FREEZE)
    async with parts.database.transaction() as session:
        for row in (await session.exec(select(Delivery).where(Delivery.campaign_id == trial.id).limit(20))).all():
            row.message_id = UUID(trial.trial[row.id.int % 2])
    report = await ok(await client.get(f"{API}/editions/{edition.id}/report"))
    assert report["trial"]["first"]["delivered"] + report["trial"]["second"]["delivered"] == 20
    assert "does not tell which subject 4 others got" in report["trial"]["words"]
    async with parts.database.reading() as session:
        [row] = await edition_rows(session, Window(NOW - timedelta(days=1), NOW + timedelta(days=1)))
    assert (row.number, row.subject, row.mail.sent) == (edition.number, edition.subject, 25)


async def test_the_report_tells_how_both_did_and_cancelling_stops_both(client: httpx.AsyncClient, parts: Parts) -> None:
    edition = await a_trial(client, parts)
    await mailchimp_accepts(parts.database, edition.id, NOW)
    await tick(parts, FREEZE)
    async with parts.database.transaction() as session:
        query = select(Delivery).join(Message, col(Message.id) == Delivery.message_id).where(Message.subject == SECOND)
        second = (await session.exec(query)).all()
        second[0].first_human_clicked_at = second[0].first_human_opened_at = NOW
        second[1].first_clicked_at = NOW  # a machine
    report = await ok(await client.get(f"{API}/editions/{edition.id}/report"))
    assert report["trial"]["second"] == {"subject": SECOND, "delivered": len(second), "opened": 1, "clicked": 1}
    assert report["trial"]["first"]["delivered"] == 24 - len(second)
    assert "fewer than 100 people" in report["trial"]["words"]
    assert (report["sent"], report["clicked"]) == (25, 1)
    async with parts.database.reading() as session:
        [row] = await edition_rows(session, Window(NOW - timedelta(days=1), NOW + timedelta(days=1)))
    assert (row.number, row.subject, row.mail.sent, row.mail.clicked, row.mail.not_measured) == (edition.number, edition.subject, 25, 1, 1)


async def test_an_edition_with_a_trial_is_cancelled_whole(client: httpx.AsyncClient, parts: Parts) -> None:
    edition = await a_trial(client, parts)
    await ok(await client.post(f"{API}/editions/{edition.id}/cancel"))
    async with parts.database.reading() as session:
        assert set((await session.exec(select(Campaign.step))).all()) == {"cancelled"}
        assert set((await session.exec(select(Delivery.status))).all()) == {"skipped"}


async def test_the_checklist_looks_at_the_second_subject_too(client: httpx.AsyncClient, parts: Parts) -> None:
    edition = await ready_edition(parts, approved=False)
    path = f"{API}/editions/{edition.id}"
    for second, words in ((edition.subject, "nothing to try"), ("ACT NOW WINNER", "capitals"), ("Hm", "says very little")):
        await ok(await client.patch(path, json={"subject_b": second}))
        found = (await ok(await client.get(f"{path}/checklist")))["findings"]
        assert any(words in f["detail"] for f in found if f["check"] == "subject_b")


def test_the_split_is_even_and_another_one_for_each_edition() -> None:
    one, two = (Edition(number=n, subject_b="b", status="draft", created_at=NOW, updated_at=NOW) for n in (1, 2))
    members = [UUID(int=n) for n in range(1000)]
    first = [variant_for(one, member, measured=True, by=TrialBy.CAMPAIGNS) for member in members]
    assert 450 < first.count(Variant.SECOND_SUBJECT) < 550
    moved = sum(
        variant_for(two, member, measured=True, by=TrialBy.CAMPAIGNS) != before for member, before in zip(members, first, strict=True)
    )
    assert 400 < moved < 600
    assert {variant_for(one, member, measured=False, by=TrialBy.CAMPAIGNS) for member in members} == {Variant.UNMEASURED}


@pytest.mark.parametrize(
    ("clicks", "likely", "words"),  # from a table of the normal distribution: z = 1.01 and 2.82
    [
        ((50, 50), 1.0, "may well be chance"),
        ((50, 60), 0.312, "may well be chance"),
        ((50, 80), 0.0048, "“second” was clicked more"),
        ((0, 0), 1.0, "may well be chance"),
    ],
)
def test_a_difference_counts_once_chance_is_unlikely(clicks: tuple[int, int], likely: float, words: str) -> None:
    first, second = (SubjectResult(name, 500, 0, n) for name, n in zip(("first", "second"), clicks, strict=True))
    assert chance(first, second) == pytest.approx(likely, abs=0.002)
    assert words in verdict(first, second)
