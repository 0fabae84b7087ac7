"""Editions before they go: made, edited, approved, scheduled, skipped, reopened. See `freezing.py` and `cancelling.py` for the rest."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import Conflict, InvalidInput, NotFound
from service.members.interest_groups import interest_groups
from service.newsletter.hints import Finding, Level, subject_hints
from service.newsletter.models import ContentItem, Edition
from service.newsletter.rules import (
    EDITABLE,
    GOES_BY_ITSELF,
    LEAD_KINDS,
    WAITING,
    ContentKind,
    ContentStatus,
    EditionFacts,
    EditionStatus,
    Verdict,
    may_become,
    what_is_due,
)
from service.newsletter.shapes import EditionCreate, EditionUpdate
from service.newsletter.slots import GRACE, is_quarter_hour, next_slot, week_of
from service.settings import WEEKDAYS, Settings

NUMBERING_TRIES = 5
LOOK_AHEAD_WEEKS = 60


async def get_edition(session: AsyncSession, edition_id: UUID, *, lock: bool = False) -> Edition:
    """The edition; `lock` keeps other writers away until the transaction ends. Raises NotFound."""
    if lock:
        await session.flush()  # what is read again under the lock must not lose our own changes
    edition = await session.get(Edition, edition_id, with_for_update=True if lock else None, populate_existing=lock)
    if edition is None:
        raise NotFound("There is no such edition.")
    return edition


def facts_of(edition: Edition) -> EditionFacts:
    """What the rules need to know of an edition."""
    return EditionFacts(EditionStatus(edition.status), edition.scheduled_for)


# --- making ----------------------------------------------------------------------------------------------------------


async def ensure_draft(session: AsyncSession, *, now: datetime, settings: Settings) -> Edition:
    """The next regular edition, made when there is none ahead. Two callers at once get the same one."""
    for _ in range(NUMBERING_TRIES):
        # the week first: one that another caller takes after this look shows in the next query, or clashes at the insert
        week, at = await free_slot(session, after=now, settings=settings)
        ahead = await session.exec(
            select(Edition)
            .where(col(Edition.slot).is_not(None), col(Edition.status).in_(WAITING), col(Edition.scheduled_for) >= now - GRACE)
            .order_by(col(Edition.scheduled_for))
            .limit(1)
        )
        found = ahead.first()
        if found is not None:
            return found
        made = await _insert(
            session, Edition(number=0, slot=week, status=EditionStatus.DRAFT, scheduled_for=at, created_at=now, updated_at=now)
        )
        if made is not None:
            return made
    raise Conflict("The next edition is being made by someone else. Try again.")


async def create_edition(session: AsyncSession, body: EditionCreate, *, now: datetime) -> Edition:
    """An extra edition, beside the weekly ones. Raises InvalidInput."""
    edition = Edition(number=0, status=EditionStatus.DRAFT, created_at=now, updated_at=now)
    await _fill(session, edition, body, now=now)
    for _ in range(NUMBERING_TRIES):
        made = await _insert(session, edition)
        if made is not None:
            return made
    raise Conflict("Someone else is making an edition just now. Try again.")


async def _insert(session: AsyncSession, edition: Edition) -> Edition | None:
    """Insert with the next number; None when someone took the number or the week at the same moment."""
    last = (await session.exec(select(func.max(Edition.number)))).one()
    fresh = Edition(**edition.model_dump() | {"number": (last or 0) + 1})
    try:
        async with session.begin_nested():
            session.add(fresh)
    except IntegrityError:
        return None
    return fresh


async def free_slot(session: AsyncSession, *, after: datetime, settings: Settings) -> tuple[str, datetime]:
    """The first week without an edition whose time is later than `after`: (ISO week, instant)."""
    weekday = WEEKDAYS.index(settings.newsletter_weekday)
    taken = set((await session.exec(select(Edition.slot).where(col(Edition.slot).is_not(None)))).all())
    at = after
    for _ in range(LOOK_AHEAD_WEEKS):
        at = next_slot(at, weekday=weekday, at=settings.newsletter_time, zone=settings.zone)
        if week_of(at, settings.zone) not in taken:
            return week_of(at, settings.zone), at
    raise Conflict(f"Every one of the next {LOOK_AHEAD_WEEKS} weeks has an edition already.")


# --- editing ---------------------------------------------------------------------------------------------------------


async def change_edition(session: AsyncSession, edition_id: UUID, body: EditionUpdate, *, now: datetime) -> Edition:
    """Change what is given; only drafts change. Raises NotFound, Conflict and InvalidInput."""
    edition = await get_edition(session, edition_id, lock=True)
    _need(edition, edition.status in EDITABLE, "Only a draft can be edited. Reopen the edition first.")
    given = body.model_dump(exclude_unset=True)
    for name in given.keys() - {"lead_item_id", "scheduled_for"}:
        if given[name] is None:
            raise InvalidInput.field(name, "can't be null; leave it out to keep it")
    if "scheduled_for" in given and edition.slot is not None:
        raise InvalidInput.field(
            "scheduled_for", "a weekly edition has its time from the settings; use skip, or schedule once it is approved"
        )
    await _fill(session, edition, body, now=now)
    session.add(edition)
    return edition


async def _fill(session: AsyncSession, edition: Edition, body: EditionCreate | EditionUpdate, *, now: datetime) -> None:
    given = body.model_dump(exclude_unset=True)
    if given.get("scheduled_for") is not None:
        _check_time(given["scheduled_for"], now=now)
    for name in given.keys() - {"item_ids", "lead_item_id", "personal"}:
        setattr(edition, name, given[name])
    if "personal" in given:
        edition.personal = {str(group_id): str(item_id) for group_id, item_id in given["personal"].items()}
    if "item_ids" in given:
        edition.item_ids = list(dict.fromkeys(str(i) for i in given["item_ids"]))
    if "lead_item_id" in given:
        edition.lead_item_id = str(given["lead_item_id"]) if given["lead_item_id"] else None
    if "personal" in given:
        await _take_personal(session, edition, now=now)
    if given.keys() & {"item_ids", "lead_item_id"}:
        await _take_items(session, edition, now=now)
    edition.updated_at = now


async def _take_items(session: AsyncSession, edition: Edition, *, now: datetime) -> None:
    """Being put into an edition accepts an item. The lead is always among the items. Raises InvalidInput for one that can't be used."""
    if edition.lead_item_id and edition.lead_item_id not in edition.item_ids:
        edition.item_ids = [edition.lead_item_id, *edition.item_ids]
    edition.personal = {group: item_id for group, item_id in edition.personal.items() if item_id not in edition.item_ids}
    items = {str(i.id): i for i in await items_of(session, edition)}
    for place, item_id in enumerate(edition.item_ids):
        _take(session, items.get(item_id), f"item_ids/{place}", now=now)
    lead = items.get(edition.lead_item_id or "")
    if lead is not None and ContentKind(lead.kind) not in LEAD_KINDS:
        raise InvalidInput.field("lead_item_id", "an announcement can't lead; choose a discussion, content or an activity")


async def _take_personal(session: AsyncSession, edition: Edition, *, now: datetime) -> None:
    groups = {str(group.id) for group in await interest_groups(session)}
    items = {str(i.id): i for i in await personal_items_of(session, edition)}
    for group_id, item_id in edition.personal.items():
        place = f"personal/{group_id}"
        if group_id not in groups:
            raise InvalidInput.field(place, "there is no such interest group")
        if item_id in edition.item_ids:
            raise InvalidInput.field(place, "this item is shown to everybody already; choose another")
        _take(session, items.get(item_id), place, now=now)


def _take(session: AsyncSession, item: ContentItem | None, place: str, *, now: datetime) -> None:
    if item is None:
        raise InvalidInput.field(place, "there is no such content item")
    if item.status == ContentStatus.DROPPED:
        raise InvalidInput.field(place, "this item was dropped; accept it first")
    if item.status == ContentStatus.COLLECTED:
        item.status, item.updated_at = ContentStatus.ACCEPTED, now
        session.add(item)


async def items_of(session: AsyncSession, edition: Edition) -> list[ContentItem]:
    """The edition's items in their order; those that are gone are left out."""
    found = await session.exec(select(ContentItem).where(col(ContentItem.id).in_([UUID(i) for i in edition.item_ids])))
    by_id = {str(item.id): item for item in found}
    return [by_id[i] for i in edition.item_ids if i in by_id]


async def personal_items_of(session: AsyncSession, edition: Edition) -> list[ContentItem]:
    """What is shown to the people of one interest group only, by title."""
    ids = [UUID(i) for i in edition.personal.values()]
    return list((await session.exec(select(ContentItem).where(col(ContentItem.id).in_(ids)).order_by(col(ContentItem.title)))).all())


async def remove_edition(session: AsyncSession, edition_id: UUID) -> None:
    """Delete an extra edition that never went; a weekly one is skipped or cancelled instead. Raises NotFound and Conflict."""
    edition = await get_edition(session, edition_id, lock=True)
    _need(edition, edition.frozen_at is None, "It was frozen and belongs to the record; it can't be deleted.")
    _need(edition, edition.slot is None, "This is a weekly edition. Skip the week or cancel it instead.")
    _need(edition, edition.status in {EditionStatus.DRAFT, EditionStatus.CANCELLED}, "Reopen or cancel it before deleting it.")
    await session.delete(edition)


# --- deciding --------------------------------------------------------------------------------------------------------


def content_findings(edition: Edition, items: Sequence[ContentItem], *, past_subjects: Sequence[str] = ()) -> list[Finding]:
    """What an edition lacks, from its own words alone: subject, items, lead. Errors stop it."""
    found = subject_hints(edition.subject, past_subjects=past_subjects)
    if not items:
        found.append(Finding("items", Level.ERROR, "There is nothing in it. Choose items, or let Kindling propose some."))
    elif edition.lead_item_id not in {str(i.id) for i in items}:
        found.append(Finding("lead", Level.ERROR, "No item leads. Choose the one discussion, piece of content or activity to highlight."))
    return found


async def refusal(session: AsyncSession, edition: Edition) -> str:
    """Why the edition can't go as it is, in one text; empty when it can."""
    findings = content_findings(edition, await items_of(session, edition))
    return " ".join(f.detail for f in findings if f.level is Level.ERROR)


async def approve_edition(session: AsyncSession, edition_id: UUID, *, by: str, now: datetime, settings: Settings) -> Edition:
    """A person stands for it with their name; it then goes at its time. One whose week was missed goes the next free week.
    Approving twice changes nothing. Raises NotFound and Conflict.
    """
    edition = await get_edition(session, edition_id, lock=True)
    if edition.status in GOES_BY_ITSELF:
        return edition
    _need_step(edition, EditionStatus.APPROVED)
    why_not = await refusal(session, edition)
    _need(edition, not why_not, why_not)
    if what_is_due(facts_of(edition), now) is Verdict.MISSED:
        await postpone(session, edition, reason="Its time had passed before it was approved.", now=now, settings=settings)
    edition.status, edition.approved_at, edition.approved_by, edition.updated_at = EditionStatus.APPROVED, now, by, now
    edition.last_error = ""
    session.add(edition)
    return edition


async def schedule_edition(session: AsyncSession, edition_id: UUID, *, at: datetime, now: datetime, settings: Settings) -> Edition:
    """Give an approved edition another time. Raises NotFound, Conflict, and InvalidInput for the past or between quarter hours."""
    edition = await get_edition(session, edition_id, lock=True)
    _need(edition, edition.status in GOES_BY_ITSELF, "Approve it first." if edition.status == EditionStatus.DRAFT else "")
    _check_time(at, now=now)
    if edition.slot is not None:
        week = week_of(at, settings.zone)
        taken = (await session.exec(select(Edition.id).where(Edition.slot == week, Edition.id != edition.id))).first()
        _need(edition, taken is None, f"The week {week} has an edition already. Skip or cancel that one first.")
        edition.slot = week
    edition.status, edition.scheduled_for, edition.updated_at, edition.last_error = EditionStatus.SCHEDULED, at, now, ""
    session.add(edition)
    return edition


async def send_edition_now(session: AsyncSession, edition_id: UUID, *, now: datetime) -> Edition:
    """An approved edition is due at once. A second call changes nothing. Raises NotFound and Conflict."""
    edition = await get_edition(session, edition_id, lock=True)
    if edition.status in {EditionStatus.SENDING, EditionStatus.SENT}:
        return edition
    _need(edition, edition.status in GOES_BY_ITSELF, "Approve it first." if edition.status == EditionStatus.DRAFT else "")
    edition.status, edition.scheduled_for, edition.updated_at, edition.last_error = EditionStatus.SCHEDULED, now, now, ""
    session.add(edition)
    return edition


async def reopen_edition(session: AsyncSession, edition_id: UUID, *, now: datetime, settings: Settings) -> Edition:
    """Back to a draft, approval gone. Raises NotFound, and Conflict once it was frozen."""
    edition = await get_edition(session, edition_id, lock=True)
    _need(edition, edition.frozen_at is None, "It was frozen already and can't be changed. Make an extra edition instead.")
    if edition.status == EditionStatus.DRAFT:
        return edition
    _need_step(edition, EditionStatus.DRAFT)
    _back_to_draft(edition, now=now)
    if edition.slot is not None and what_is_due(facts_of(edition), now) is Verdict.MISSED:
        await postpone(session, edition, reason="", now=now, settings=settings)
    session.add(edition)
    return edition


async def skip_week(session: AsyncSession, edition_id: UUID, *, now: datetime, settings: Settings) -> Edition:
    """A weekly edition waits until the next free week, as a draft with all its content. Raises NotFound and Conflict."""
    edition = await get_edition(session, edition_id, lock=True)
    _need(edition, edition.slot is not None, "Only a weekly edition can skip its week.")
    _need(edition, edition.status in WAITING, "It has gone already.")
    await postpone(session, edition, reason="", now=now, settings=settings)
    return edition


async def postpone(session: AsyncSession, edition: Edition, *, reason: str, now: datetime, settings: Settings) -> None:
    """Back to a draft, to the next free week (an extra edition: without a time). `reason` is kept for the facilitator."""
    _back_to_draft(edition, now=now)
    edition.last_error = reason[:300]
    if edition.slot is None:
        edition.scheduled_for = None
    else:
        after = max(now, edition.scheduled_for or now)
        edition.slot, edition.scheduled_for = await free_slot(session, after=after, settings=settings)
    session.add(edition)


def _back_to_draft(edition: Edition, *, now: datetime) -> None:
    edition.status, edition.approved_at, edition.approved_by, edition.updated_at = EditionStatus.DRAFT, None, "", now


def _check_time(at: datetime, *, now: datetime) -> None:
    if at <= now:
        raise InvalidInput.field("scheduled_for", "is in the past; give a later time or send now")
    if not is_quarter_hour(at):
        raise InvalidInput.field("scheduled_for", "must be a full quarter hour (10:00, 10:15, 10:30 or 10:45)")


def _need_step(edition: Edition, wanted: EditionStatus) -> None:
    _need(edition, may_become(EditionStatus(edition.status), wanted), "")


def _need(edition: Edition, holds: bool, detail: str) -> None:
    if not holds:
        raise Conflict(detail or f"Edition {edition.number} is {edition.status}; that can't be done now.")
