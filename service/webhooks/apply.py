"""Applying stored happenings to deliveries, suppressions, members and engagement. Each in a savepoint: one that can't be applied
waits and is parked in the end, the others go on."""

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.activity import Sign, record_signs
from service.engagement.rules import EngagementKind
from service.errors import ServiceError
from service.logs import current_trace, follow
from service.members.rules import email_key
from service.messages.receipts import apply_receipt, find_delivery
from service.messages.sending import never
from service.messages.suppressions import erased_keys
from service.parts import Parts
from service.providers import mailchimp_webhooks, transactional_webhooks
from service.providers.incoming import ProviderEvent, ProviderEventKind
from service.webhooks.audience_events import apply_audience_event
from service.webhooks.denylist import apply_denylist_change
from service.webhooks.inbox import ERASED_PERSON, Source, WaitsForPerson, mark_erased, mark_handled, mark_parked, mark_waiting, take_waiting
from service.webhooks.models import WebhookEvent
from service.webhooks.replies import receive_mail

log = logging.getLogger(__name__)

BATCH = 200
_SIGNS = {ProviderEventKind.OPENED: EngagementKind.OPEN, ProviderEventKind.CLICKED: EngagementKind.CLICK}
Signs = dict[UUID, list[Sign]]


class UnknownDelivery(Exception):
    """The delivery a report is about is not written down (yet)."""


async def apply_waiting(parts: Parts, *, should_stop: Callable[[], bool] = never) -> int:
    """Apply everything that waits; how many happenings were looked at. Any number of workers may do so at once."""
    total = 0
    while not should_stop():
        now = parts.clock.now()
        async with parts.database.transaction() as session:
            rows = await take_waiting(session, now=now, limit=BATCH)
            signs: Signs = defaultdict(list)
            about = [(row, await _apply_one(session, parts, row, signs, now=now)) for row in rows]
            await record_signs(session, signs, now=now)
            await _keep_nothing_of_the_erased(session, about, now=now)
            if rows:
                parts.passing("webhook.applying")
        if rows:
            parts.passing("webhook.applied")
        total += len(rows)
        if len(rows) < BATCH:
            break
    return total


async def _keep_nothing_of_the_erased(session: AsyncSession, about: Sequence[tuple[WebhookEvent, str]], *, now: datetime) -> None:
    """Late reports of people who were erased lose their raw text. Once for all rows: it is asked for every report there is."""
    erased = await erased_keys(session, sorted({key for _, key in about if key}))
    for row, key in about:
        if key in erased or row.outcome == ERASED_PERSON:
            mark_erased(row, now=now)
            session.add(row)


async def _apply_one(session: AsyncSession, parts: Parts, row: WebhookEvent, signs: Signs, *, now: datetime) -> str:
    """Apply one happening; the folded address it is about, empty where it names none."""
    key = ""
    try:
        report = _report(row)
        key = email_key(report.email) if report.email else ""
        async with session.begin_nested():
            outcome = await _outcome(session, parts, row, report, signs, now=now)
    except UnknownDelivery:
        mark_waiting(row, "its delivery is not known yet", now=now)
    except WaitsForPerson as why:
        mark_parked(row, str(why), now=now)
    except (ServiceError, SQLAlchemyError, ValueError, KeyError, TypeError) as error:
        log.warning("happening not applied: id=%s cause=%s", row.id, type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
        mark_waiting(row, type(error).__name__, now=now)
    else:
        mark_handled(row, outcome, now=now)
    session.add(row)
    return key


def _report(row: WebhookEvent) -> ProviderEvent:
    if row.source == Source.MARKETING:
        return mailchimp_webhooks.parse_form(row.payload.encode(), received_at=row.received_at)[0]
    return transactional_webhooks.parse_item(row.payload, received_at=row.received_at)


async def _outcome(session: AsyncSession, parts: Parts, row: WebhookEvent, report: ProviderEvent, signs: Signs, *, now: datetime) -> str:
    if row.source == Source.MARKETING:
        return await apply_audience_event(session, parts, report, now=now)
    match report.kind:
        case ProviderEventKind.UNKNOWN:
            return "unknown_type"
        case ProviderEventKind.INBOUND:
            return await receive_mail(session, parts, report, now=now)
        case ProviderEventKind.DENYLIST_CHANGED:
            return await apply_denylist_change(session, report, now=now)
        case _:
            return await _apply_message_event(session, parts, report, signs, now=now)


async def _apply_message_event(session: AsyncSession, parts: Parts, report: ProviderEvent, signs: Signs, *, now: datetime) -> str:
    delivery = await find_delivery(session, delivery_id=report.delivery_id, provider_id=report.provider_id)
    if delivery is None:
        raise UnknownDelivery
    with follow(delivery.trace or current_trace()):
        await apply_receipt(session, delivery, report, now=now, zone=parts.settings.zone)
        log.info("report applied: delivery=%s kind=%s", delivery.id, report.kind)
    kind = _SIGNS.get(report.kind)
    if kind is not None:
        signs[delivery.id].append(
            Sign(kind=kind, at=report.at, source="webhook", url=report.url, ip=report.ip, user_agent=report.user_agent)
        )
    return "applied" if delivery.email else ERASED_PERSON
