"""Applying stored happenings to deliveries, suppressions, members and engagement. What is told of mails is merged many at a time; where
that fails, and all else, one by one, each in a savepoint: one that can't be applied waits and is parked in the end, the others go on."""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.activity import Sign, note_signs
from service.engagement.rules import EngagementKind
from service.errors import ServiceError
from service.links import without_tokens
from service.logs import current_trace, follow
from service.members.rules import email_key
from service.messages.models import Delivery
from service.messages.receipts import apply_receipt, find_deliveries
from service.messages.sending import never
from service.messages.suppressions import erased_keys
from service.parts import Parts
from service.providers import mailchimp_webhooks, transactional_webhooks
from service.providers.incoming import ProviderEvent, ProviderEventKind
from service.webhooks.audience_events import apply_audience_event
from service.webhooks.denylist import apply_denylist_change
from service.webhooks.inbox import (
    ERASED_PERSON,
    NotYet,
    Source,
    Waiting,
    WaitsForPerson,
    mark_erased,
    mark_handled,
    mark_refused,
    take_waiting,
)
from service.webhooks.replies import receive_mail

log = logging.getLogger(__name__)

BATCH = 500
_SIGNS = {ProviderEventKind.OPENED: EngagementKind.OPEN, ProviderEventKind.CLICKED: EngagementKind.CLICK}
_OF_NO_MAIL = frozenset({ProviderEventKind.UNKNOWN, ProviderEventKind.INBOUND, ProviderEventKind.DENYLIST_CHANGED})
_REFUSALS = (ServiceError, SQLAlchemyError, ValueError, KeyError, TypeError, NotYet, WaitsForPerson)
Read = tuple[Waiting, ProviderEvent]
Results = dict[UUID, str | Exception]
"""By happening: what was done, in a word, or why nothing could be done."""


async def apply_waiting(parts: Parts, *, should_stop: Callable[[], bool] = never) -> int:
    """Apply everything that waits; how many happenings were looked at. Any number of workers may do so at once."""
    total = 0
    while not should_stop():
        now = parts.clock.now()
        async with parts.database.transaction() as session:
            rows = await take_waiting(session, now=now, limit=BATCH)
            if rows:
                await _apply(session, parts, rows, now=now)
                parts.passing("webhook.applying")
        if rows:
            parts.passing("webhook.applied")
        total += len(rows)
        if len(rows) < BATCH:
            break
    return total


async def _apply(session: AsyncSession, parts: Parts, rows: Sequence[Waiting], *, now: datetime) -> None:
    results: Results = {}
    of_mails: list[Read] = []
    others: list[Read] = []
    for row in rows:
        try:
            report = _report(row)
        except _REFUSALS as error:
            results[row.id] = _told(row, error)
            continue
        (of_mails if row.source != Source.MARKETING and report.kind not in _OF_NO_MAIL else others).append((row, report))
    results |= await _apply_of_mails(session, parts, of_mails, now=now)
    for row, report in others:
        results[row.id] = await _apply_one(session, parts, row, report, now=now)
    await mark_handled(session, {row_id: found for row_id, found in results.items() if isinstance(found, str)}, now=now)
    await mark_refused(session, {row_id: why for row_id, why in results.items() if isinstance(why, Exception)}, now=now)
    await _keep_nothing_of_the_erased(session, [*of_mails, *others], results, now=now)


async def _keep_nothing_of_the_erased(session: AsyncSession, reads: Sequence[Read], results: Results, *, now: datetime) -> None:
    """Late reports of people who were erased lose their raw text. Once for all: it is asked for every report there is."""
    keys = {row.id: email_key(report.email) for row, report in reads if report.email}
    erased = await erased_keys(session, sorted(set(keys.values())))
    gone = [row.id for row, _ in reads if keys.get(row.id) in erased or results[row.id] == ERASED_PERSON]
    await mark_erased(session, gone, now=now)


def _report(row: Waiting) -> ProviderEvent:
    if row.source == Source.MARKETING:
        return mailchimp_webhooks.parse_form(row.payload.encode(), received_at=row.received_at)[0]
    return transactional_webhooks.parse_item(row.payload, received_at=row.received_at)


async def _apply_of_mails(session: AsyncSession, parts: Parts, reads: Sequence[Read], *, now: datetime) -> Results:
    """What is told of mails, all of it together, or where that fails each alone."""
    if not reads:
        return {}
    try:
        async with session.begin_nested():
            return await _merge(session, parts, reads, now=now)
    except _REFUSALS as error:
        if len(reads) == 1:
            return {reads[0][0].id: _told(reads[0][0], error)}
    results: Results = {}
    for one in reads:
        results |= await _apply_of_mails(session, parts, [one], now=now)
    return results


async def _merge(session: AsyncSession, parts: Parts, reads: Sequence[Read], *, now: datetime) -> Results:
    results: Results = {}
    signs: dict[UUID, list[Sign]] = defaultdict(list)
    seen: dict[UUID, Delivery] = {}
    deliveries = await find_deliveries(session, [report for _, report in reads])
    for (row, report), delivery in zip(reads, deliveries, strict=True):
        if delivery is None:
            results[row.id] = NotYet("its delivery is not known yet")
            continue
        delivered_at = delivery.delivered_at
        with follow(delivery.trace or current_trace()):
            await apply_receipt(session, delivery, report, now=now, zone=parts.settings.zone)
            log.info("report applied: delivery=%s kind=%s", delivery.id, report.kind)
        results[row.id] = "applied" if delivery.email else ERASED_PERSON
        kind = _SIGNS.get(report.kind)
        if kind is not None or (delivery.first_opened_at and delivery.delivered_at != delivered_at):
            seen[delivery.id] = delivery  # what came before the news that it was delivered was judged without it
        if kind is not None:
            url = without_tokens(report.url)  # it may come to stand in a report that sponsors read
            signs[delivery.id].append(Sign(kind, report.at, "webhook", url, report.ip, report.user_agent))
    await note_signs(session, list(seen.values()), signs, now=now)
    return results


async def _apply_one(session: AsyncSession, parts: Parts, row: Waiting, report: ProviderEvent, *, now: datetime) -> str | Exception:
    try:
        async with session.begin_nested():
            return await _outcome(session, parts, row, report, now=now)
    except _REFUSALS as error:
        return _told(row, error)


def _told(row: Waiting, error: Exception) -> Exception:
    if not isinstance(error, NotYet | WaitsForPerson):
        log.warning("happening not applied: id=%s cause=%s", row.id, type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
    return error


async def _outcome(session: AsyncSession, parts: Parts, row: Waiting, report: ProviderEvent, *, now: datetime) -> str:
    if row.source == Source.MARKETING:
        return await apply_audience_event(session, parts, report, now=now)
    match report.kind:
        case ProviderEventKind.INBOUND:
            return await receive_mail(session, parts, report, now=now)
        case ProviderEventKind.DENYLIST_CHANGED:
            return await apply_denylist_change(session, report, now=now)
        case _:
            return "unknown_type"
