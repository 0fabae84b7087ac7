"""Transactional's denylist and our suppressions, kept alike.

Whoever must get nothing here is put on the list there, so that no other program of the account mails them either; whom Transactional
denies gets nothing from here. Its entries expire (a soft bounce after a day, a hard one after a week, who left after a year); ours don't,
and are put on again. Coming off the list lifts nothing here: only the person, or a person in charge, may.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.audience.cursors import give_back, take
from service.members.models import JoinRequest, Member
from service.members.rules import JoinRequestStatus, email_key
from service.messages.halts import halt, is_halted
from service.messages.models import Suppression
from service.messages.rules import FORGIVEN_WHEN_ASKED, Stop, SuppressionPurpose, SuppressionReason
from service.messages.sending import never
from service.messages.suppressions import stops_for, suppress, suppression_hash
from service.parts import Parts
from service.providers.base import OUR_ENTRY, DenylistEntry, Mailer, Misconfigured, Product, ProviderError, Rejected

log = logging.getLogger(__name__)

CURSOR = "denylist"
EVERY = timedelta(hours=1)
BATCH = 200
MOST_CALLS = 100
"""In one go: the connections are shared with sending."""
SOURCE = "transactional_denylist"
TOLD = (
    SuppressionReason.UNSUBSCRIBE,
    SuppressionReason.MANUAL,
    SuppressionReason.COMPLAINT,
    SuppressionReason.HARD_BOUNCE,
    SuppressionReason.SOFT_BOUNCES,
    SuppressionReason.INVALID,
)
"""What Transactional hears of. Not who was erased: no address of theirs is left anywhere."""
_REASON_OF = {
    "hard-bounce": SuppressionReason.HARD_BOUNCE,
    "spam": SuppressionReason.COMPLAINT,
    "unsub": SuppressionReason.UNSUBSCRIBE,
    "custom": SuppressionReason.PROVIDER,
}
"""Soft bounces stay on Transactional's list for a day: that is its business."""
_FULL = (col(Suppression.purpose) == SuppressionPurpose.ALL, col(Suppression.reason).in_(TOLD))


async def sync_denylist(parts: Parts, *, should_stop: Callable[[], bool] = never) -> int:
    """Tell Transactional of our suppressions, and once an hour read its list; how many entries changed on either side."""
    mailer = parts.providers.mailer
    if mailer is None or await _halted(parts):
        return 0
    try:
        return await _tell(parts, mailer, should_stop=should_stop) + await _read(parts, mailer)
    except ProviderError as error:
        await _failed(parts, error)
        return 0


async def readmit(parts: Parts) -> bool:
    """Take those who ask to come back off the list, before their confirmation mail is made: it would be turned down. False when
    Transactional can't be told now: ask them later.
    """
    mailer = parts.providers.mailer
    if mailer is None:
        return True
    async with parts.database.reading() as session:
        asks = select(Member.email).join(JoinRequest, col(JoinRequest.member_id) == col(Member.id))
        waiting = (JoinRequest.status == JoinRequestStatus.UNCONFIRMED, col(JoinRequest.confirmation_asked_at).is_(None))
        emails = {suppression_hash(email_key(email)): email for email in await session.exec(asks.where(*waiting).distinct())}
        on_the_list = (col(Suppression.mirrored_at).is_not(None), col(Suppression.lifted_at).is_(None))
        forgiven = col(Suppression.reason).in_(FORGIVEN_WHEN_ASKED)
        query = select(Suppression.email_hash).where(*_FULL, forgiven, *on_the_list, col(Suppression.email_hash).in_(emails)).distinct()
        denied = (await session.exec(query)).all() if emails else []
    try:
        for digest in denied:
            await _allow(mailer, emails[digest])
            await _mark(parts, digest, None, in_force=True)
    except ProviderError as error:
        await _failed(parts, error)
        return False
    return True


async def take_over_entry(session: AsyncSession, email: str, reason: str, detail: str, stops: Collection[Stop], *, now: datetime) -> bool:
    """Heed one entry of the list; True when that is news. `stops`: what is in force here already. An entry of ours says nothing new."""
    meant = _REASON_OF.get(reason)
    if meant is None or detail.startswith(OUR_ENTRY):
        return False
    full = {stop.reason for stop in stops if stop.purpose is SuppressionPurpose.ALL}
    if meant in full or (meant is SuppressionReason.PROVIDER and full):
        return False
    return await suppress(session, email, purpose=SuppressionPurpose.ALL, reason=meant, source=SOURCE, now=now)


async def _halted(parts: Parts) -> bool:
    async with parts.database.reading() as session:
        return await is_halted(session, Product.TRANSACTIONAL)


async def _failed(parts: Parts, error: ProviderError) -> None:
    log.warning("denylist not kept alike: cause=%s status=%s", error.title, error.status)
    if isinstance(error, Misconfigured):
        async with parts.database.transaction() as session:
            await halt(session, Product.TRANSACTIONAL, error, now=parts.clock.now())


# --- ours to Transactional ---------------------------------------------------------------------------------------


async def _tell(parts: Parts, mailer: Mailer, *, should_stop: Callable[[], bool]) -> int:
    async with parts.database.reading() as session:
        in_force, told = col(Suppression.lifted_at).is_(None), col(Suppression.mirrored_at).is_not(None)
        deny = set((await session.exec(select(Suppression.email_hash).where(*_FULL, in_force, ~told))).all())
        allow = set((await session.exec(select(Suppression.email_hash).where(*_FULL, ~in_force, told))).all())
        if not deny and not allow:
            return 0
        emails, asking = await _addresses(session, deny | allow)
        stopped = await stops_for(session, [email_key(emails[digest]) for digest in allow if digest in emails])
    calls = 0
    for digest in sorted(deny | allow):
        if should_stop() or calls >= MOST_CALLS:
            break
        email, denied = emails.get(digest), digest in deny
        if denied and digest in asking:  # their confirmation mail is on its way
            continue
        if email is not None and (denied or email_key(email) not in stopped):  # else nobody we could name, or another reason holds them
            await (_deny(mailer, email) if denied else _allow(mailer, email))
            calls += 1
        await _mark(parts, digest, parts.clock.now() if denied else None, in_force=denied)
    return calls


async def _addresses(session: AsyncSession, hashes: Collection[str]) -> tuple[dict[str, str], set[str]]:
    """The addresses behind these hashes, as far as members have them; and the hashes of those who have asked to come back."""
    asks = select(JoinRequest.id).where(JoinRequest.member_id == Member.id, JoinRequest.status == JoinRequestStatus.UNCONFIRMED).exists()
    emails: dict[str, str] = {}
    asking: set[str] = set()
    for email, key, asked in await session.exec(select(Member.email, Member.email_key, asks).where(Member.email != "")):
        digest = suppression_hash(key)
        if digest in hashes:
            emails[digest] = email
            if asked:
                asking.add(digest)
    return emails, asking


async def _deny(mailer: Mailer, email: str) -> None:
    try:
        await mailer.deny(email, comment=OUR_ENTRY)
    except Rejected as error:  # an address Transactional takes for none: it sends nothing there either
        log.info("denylist entry refused: cause=%s", error.title)


async def _allow(mailer: Mailer, email: str) -> None:
    try:
        await mailer.allow(email)
    except Rejected as error:
        log.info("denylist entry stays: cause=%s", error.title)


async def _mark(parts: Parts, digest: str, at: datetime | None, *, in_force: bool) -> None:
    """Write down that Transactional was told of these suppressions at `at`; None: it is not on its list."""
    which = col(Suppression.lifted_at).is_(None) if in_force else col(Suppression.lifted_at).is_not(None)
    async with parts.database.transaction() as session:
        connection = await session.connection()
        await connection.execute(update(Suppression).where(*_FULL, col(Suppression.email_hash) == digest, which).values(mirrored_at=at))


# --- Transactional's to ours -------------------------------------------------------------------------------------


async def _read(parts: Parts, mailer: Mailer) -> int:
    walk = await take(parts, CURSOR)
    if walk is None:
        return 0
    started = parts.clock.now()
    finished: datetime | None = None
    try:
        if walk.run_at is not None and started - walk.run_at < EVERY:
            return 0
        entries = [entry async for entry in mailer.rejects()]
        news = 0
        for start in range(0, len(entries), BATCH):
            news += await _take_over(parts, entries[start : start + BATCH], now=started)
        await _tell_again(parts, {suppression_hash(email_key(entry.email)) for entry in entries}, before=started)
        finished = started
        return news
    finally:
        await give_back(parts, walk, position=finished)


async def _take_over(parts: Parts, entries: Sequence[DenylistEntry], *, now: datetime) -> int:
    news = 0
    async with parts.database.transaction() as session:
        stops = await stops_for(session, [email_key(entry.email) for entry in entries])
        for entry in entries:
            in_force = stops.get(email_key(entry.email), ())
            news += await take_over_entry(session, entry.email, entry.reason, entry.detail, in_force, now=now)
        lasting = [suppression_hash(email_key(entry.email)) for entry in entries if entry.reason in _REASON_OF]
        connection = await session.connection()
        there = update(Suppression).where(*_FULL, col(Suppression.email_hash).in_(lasting), col(Suppression.lifted_at).is_(None))
        await connection.execute(there.where(col(Suppression.mirrored_at).is_(None)).values(mirrored_at=now))
    return news


async def _tell_again(parts: Parts, listed: Collection[str], *, before: datetime) -> None:
    """Whose entry there has expired, or was taken off: our suppression holds, so it is put on again."""
    async with parts.database.transaction() as session:
        told = (col(Suppression.mirrored_at) < before, col(Suppression.lifted_at).is_(None))
        for row in await session.exec(select(Suppression).where(*_FULL, *told)):
            if row.email_hash not in listed:
                row.mirrored_at = None
                session.add(row)
