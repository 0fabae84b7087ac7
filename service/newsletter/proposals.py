"""Filling a draft: gathers what the composition needs to know, and puts its proposal into the edition."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import Conflict
from service.members.interest_groups import interest_groups
from service.members.models import Member
from service.members.rules import MemberStatus
from service.newsletter.composition import LOOK_BACK, Candidate, ClickHistory, PastEdition, Proposal, ReaderGroup, Readers, compose
from service.newsletter.editions import get_edition, items_of
from service.newsletter.figures import clickers_by_url, figures_of
from service.newsletter.models import ContentItem, Edition
from service.newsletter.rules import EDITABLE, ContentKind, ContentStatus, EditionStatus

MOST_CANDIDATES = 500
CLICK_LOOK_BACK = 8
READ_PORTION = 2000


async def propose(session: AsyncSession, edition: Edition, *, now: datetime) -> Proposal:
    """Fill a draft with the best of the accepted items; what was chosen before is replaced. An empty subject becomes the lead's title.
    Raises Conflict when the edition is no draft.
    """
    edition = await get_edition(session, edition.id, lock=True)
    if edition.status not in EDITABLE:
        raise Conflict("Only a draft can be filled. Reopen the edition first.")
    past = await _past_editions(session, limit=CLICK_LOOK_BACK)
    items = await _accepted(session)
    proposal = compose(
        [_candidate(item) for item in items],
        past_editions=[await _as_past(session, one) for one in past[:LOOK_BACK]],
        now=now,
        readers=await _readers(session),
        clicks=await _click_history(session, past),
        groups=[ReaderGroup(str(g.id), g.name, frozenset(t.casefold() for t in g.topics)) for g in await interest_groups(session)],
    )
    chosen = (*([proposal.lead] if proposal.lead else []), *proposal.items, *proposal.announcements)
    edition.item_ids = [choice.item_id for choice in chosen]
    edition.lead_item_id = proposal.lead.item_id if proposal.lead else None
    edition.personal = {group_id: choice.item_id for group_id, choice in proposal.personal.items()}
    if not edition.subject and proposal.lead:
        edition.subject = next(i.title for i in items if str(i.id) == edition.lead_item_id)[:150]
    edition.updated_at = now
    session.add(edition)
    return proposal


async def _accepted(session: AsyncSession) -> Sequence[ContentItem]:
    query = select(ContentItem).where(ContentItem.status == ContentStatus.ACCEPTED).order_by(col(ContentItem.updated_at).desc())
    return (await session.exec(query.limit(MOST_CANDIDATES))).all()


def _candidate(item: ContentItem) -> Candidate:
    since = item.updated_at if item.used_in else (item.published_at or item.created_at)
    return Candidate(
        id=str(item.id),
        kind=ContentKind(item.kind),
        title=item.title,
        since=since,
        activities=tuple(item.activities),
        topics=tuple(item.topics),
        used_in=tuple(item.used_in),
    )


async def _past_editions(session: AsyncSession, *, limit: int) -> Sequence[Edition]:
    query = select(Edition).where(col(Edition.status).in_([EditionStatus.SENDING, EditionStatus.SENT]))
    return (await session.exec(query.order_by(col(Edition.frozen_at).desc()).limit(limit))).all()


async def _as_past(session: AsyncSession, edition: Edition) -> PastEdition:
    items = await items_of(session, edition)
    lead = next((ContentKind(i.kind) for i in items if str(i.id) == edition.lead_item_id), None)
    activities = tuple(activity for item in items for activity in item.activities)
    return PastEdition(edition.number, lead, tuple(ContentKind(i.kind) for i in items), activities)


async def _readers(session: AsyncSession) -> Readers:
    """Interests of the members who get the newsletter, folded and counted once per member."""
    rows = await session.stream_scalars(
        select(Member.interests)
        .where(Member.status == MemberStatus.SUBSCRIBED, col(Member.wants_newsletter).is_(True))
        .execution_options(yield_per=READ_PORTION)
    )
    total, interests = 0, Counter[str]()
    async for named in rows:
        total += 1
        interests.update({interest.casefold() for interest in named})
    return Readers(total, interests)


async def _click_history(session: AsyncSession, past: Sequence[Edition]) -> ClickHistory:
    """People who clicked an item, per delivered mail of its edition, averaged over the items of a topic and of a kind."""
    by_topic: dict[str, list[float]] = defaultdict(list)
    by_kind: dict[ContentKind, list[float]] = defaultdict(list)
    for edition in past:
        figures = await figures_of(session, edition)
        if not figures.delivered:
            continue
        clickers = await clickers_by_url(session, edition)
        for item in await items_of(session, edition):
            rate = clickers[item.url].people / figures.delivered if item.url in clickers else 0.0
            by_kind[ContentKind(item.kind)].append(rate)
            for topic in item.topics:
                by_topic[topic.casefold()].append(rate)
    return ClickHistory(
        by_topic={topic: sum(rates) / len(rates) for topic, rates in by_topic.items()},
        by_kind={kind: sum(rates) / len(rates) for kind, rates in by_kind.items()},
    )
