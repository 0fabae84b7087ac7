"""What readers did with an edition: counted from its deliveries and from clicks by people, against the editions before."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy import case, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import EngagementEvent
from service.engagement.rules import EngagementKind, Verdict
from service.messages.models import Delivery
from service.messages.rules import ACCEPTED_BY_PROVIDER, DeliveryStatus
from service.newsletter.campaigns import campaigns_of
from service.newsletter.models import Edition
from service.newsletter.rules import EditionStatus
from service.newsletter.subjects import Trial, trial_of

COMPARED_EDITIONS = 8
MOST_LINKS = 100
READING = (EngagementKind.OPEN, EngagementKind.CLICK, EngagementKind.REPLY)
BOUNCED = (DeliveryStatus.SOFT_BOUNCED, DeliveryStatus.BOUNCED)


@dataclass(frozen=True, slots=True)
class EditionFigures:
    """Counts of (edition, recipient) pairs. `measured` are the delivered ones whose opens and clicks may be counted; opens and clicks are
    those by people, `*_raw` with machines. `delivered` is what Mailchimp took and did not report as bounced.
    """

    number: int
    accepted: int
    delivered: int
    bounced: int
    measured: int
    opened: int
    opened_raw: int
    clicked: int
    clicked_raw: int
    replied: int
    unsubscribed: int
    complained: int

    @property
    def opened_rate(self) -> float | None:
        """Share of delivered opened by a person, 0..1; None when nothing was delivered. Source: the measures' 'emails opened'."""
        return self.opened / self.delivered if self.delivered else None

    @property
    def clicked_rate(self) -> float | None:
        """Share of delivered with a click by a person, 0..1; None when nothing was delivered. Source: the measures' 'links clicked'."""
        return self.clicked / self.delivered if self.delivered else None


@dataclass(frozen=True, slots=True)
class LinkClicks:
    """Clicks on one link by people: how often, and by how many of them."""

    url: str
    clicks: int
    people: int


@dataclass(frozen=True, slots=True)
class Usual:
    """The median of the editions before: what this one is held against. Rates 0..1, None when there is nothing to compare."""

    editions: int
    opened_rate: float | None
    clicked_rate: float | None
    replied: float | None
    unsubscribed: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """An edition's report: its own figures, per link most clicked first, when people read it (seven weekdays from Monday, each with 24
    hours: how many), a trial of two subjects, the editions before it newest first, and what is usual.
    """

    figures: EditionFigures
    links: tuple[LinkClicks, ...]
    hours: tuple[tuple[int, ...], ...]
    trial: Trial | None
    earlier: tuple[EditionFigures, ...]
    usual: Usual


async def figures_of(session: AsyncSession, edition: Edition) -> EditionFigures:
    """The edition's figures as they stand now; late opens and clicks still change them."""
    campaign_ids = [c.id for c in await campaigns_of(session, edition)]
    taken = col(Delivery.status).in_(ACCEPTED_BY_PROVIDER)
    arrived = taken & col(Delivery.status).not_in(BOUNCED)

    def count(condition: object) -> object:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)  # type: ignore[arg-type]

    counted = {
        "accepted": count(taken),
        "delivered": count(arrived),
        "bounced": count(col(Delivery.status).in_(BOUNCED)),
        "measured": count(arrived & col(Delivery.tracked).is_(True)),
        "opened": count(arrived & col(Delivery.first_human_opened_at).is_not(None)),
        "opened_raw": count(arrived & col(Delivery.first_opened_at).is_not(None)),
        "clicked": count(arrived & col(Delivery.first_human_clicked_at).is_not(None)),
        "clicked_raw": count(arrived & col(Delivery.first_clicked_at).is_not(None)),
        "replied": count(arrived & col(Delivery.replied_at).is_not(None)),
        "unsubscribed": count(taken & col(Delivery.unsubscribed_at).is_not(None)),
        "complained": count(taken & col(Delivery.complained_at).is_not(None)),
    }
    row = (await session.exec(select(*counted.values()).where(col(Delivery.campaign_id).in_(campaign_ids)))).one()  # type: ignore[call-overload]
    return EditionFigures(number=edition.number, **{name: int(value) for name, value in zip(counted, row, strict=True)})


async def clickers_by_url(session: AsyncSession, edition: Edition) -> Mapping[str, LinkClicks]:
    """Clicks by people on each of the edition's links, most people first."""
    campaign_ids = [c.id for c in await campaigns_of(session, edition)]
    people = func.count(func.distinct(col(EngagementEvent.delivery_id)))
    rows = await session.exec(
        select(col(EngagementEvent.url), func.count(), people)
        .join(Delivery, col(Delivery.id) == col(EngagementEvent.delivery_id))
        .where(
            col(Delivery.campaign_id).in_(campaign_ids),
            EngagementEvent.kind == EngagementKind.CLICK,
            EngagementEvent.verdict == Verdict.HUMAN,
        )
        .group_by(col(EngagementEvent.url))
        .order_by(people.desc(), col(EngagementEvent.url))
        .limit(MOST_LINKS)
    )
    return {url: LinkClicks(url, clicks, number) for url, clicks, number in rows}


async def read_at(session: AsyncSession, edition: Edition, zone: ZoneInfo) -> tuple[tuple[int, ...], ...]:
    """When people opened, clicked or answered, by weekday and hour of the community's clock: each person once in each hour."""
    campaign_ids = [c.id for c in await campaigns_of(session, edition)]
    rows = await session.exec(
        select(EngagementEvent.delivery_id, EngagementEvent.at)
        .join(Delivery, col(Delivery.id) == col(EngagementEvent.delivery_id))
        .where(
            col(Delivery.campaign_id).in_(campaign_ids),
            EngagementEvent.verdict == Verdict.HUMAN,
            col(EngagementEvent.kind).in_(READING),
        )
    )
    seen = {(delivery_id, at.astimezone(zone).replace(minute=0, second=0, microsecond=0)) for delivery_id, at in rows}
    counts = Counter((at.weekday(), at.hour) for _, at in seen)
    return tuple(tuple(counts[day, hour] for hour in range(24)) for day in range(7))


async def report_of(session: AsyncSession, edition: Edition, *, zone: ZoneInfo) -> Report:
    """The edition's report against the last eight that were sent before it."""
    before = await session.exec(
        select(Edition)
        .where(
            Edition.status == EditionStatus.SENT,
            Edition.id != edition.id,
            col(Edition.frozen_at) < (edition.frozen_at or edition.updated_at),
        )
        .order_by(col(Edition.frozen_at).desc())
        .limit(COMPARED_EDITIONS)
    )
    earlier = [await figures_of(session, one) for one in before.all()]
    return Report(
        figures=await figures_of(session, edition),
        links=tuple((await clickers_by_url(session, edition)).values()),
        hours=await read_at(session, edition, zone),
        trial=await trial_of(session, edition),
        earlier=tuple(earlier),
        usual=usual_of(earlier),
    )


def usual_of(earlier: Sequence[EditionFigures]) -> Usual:
    """What is usual: medians, which one odd week does not move."""
    return Usual(
        editions=len(earlier),
        opened_rate=_median([f.opened_rate for f in earlier if f.opened_rate is not None]),
        clicked_rate=_median([f.clicked_rate for f in earlier if f.clicked_rate is not None]),
        replied=_median([float(f.replied) for f in earlier]),
        unsubscribed=_median([float(f.unsubscribed) for f in earlier]),
    )


def _median(values: Sequence[float]) -> float | None:
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return None
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
