"""How long each kind of data is kept: once a day what has passed its time goes, and a job row says how much of which kind. The times
are those of docs/privacy.md."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Update, exists, update
from sqlmodel import col, select

from service.console.models import ConsolePerson
from service.engagement.models import EngagementEvent, Reply
from service.jobs.models import Job, JobStatus
from service.members.models import JoinRequest, Member, MemberChange
from service.members.rules import JoinRequestStatus, MemberStatus
from service.messages.models import Delivery, Message
from service.messages.rules import TO_FACILITATOR, MessageKind
from service.parts import Parts
from service.privacy.erasing import erase
from service.privacy.strangers import forget_never_confirmed

KIND = "retention"
EVERY = timedelta(days=1)
FACILITATORS_MAIL_KEPT = timedelta(days=90)
PERSONAL_MAIL_KEPT = timedelta(days=400)
"""Longer than a year, so that last year's quarters can still be looked into."""
BROWSERS_KEPT = timedelta(days=400)
"""Verdicts are worked out anew from addresses and browsers when the rules change."""
QUOTED_MAIL_KEPT = timedelta(days=180)
ANSWERS_KEPT = timedelta(days=30)
REJECTED_ROWS_KEPT = timedelta(days=30)
LEFT = (MemberStatus.UNSUBSCRIBED, MemberStatus.CLEANED, MemberStatus.DECLINED)
BATCH = 50
BY = "retention"


async def keep_retention(parts: Parts) -> int | None:
    """The daily run: blank what has passed its time, erase who left or never came long ago; how many rows changed. None when it ran within
    a day.
    """
    now = parts.clock.now()
    async with parts.database.transaction() as session:
        done = select(Job.id).where(Job.kind == KIND, col(Job.created_at) > now - EVERY)
        if (await session.exec(done.limit(1))).first() is not None:
            return None
        connection = await session.connection()
        counts = {name: int((await connection.execute(statement)).rowcount) for name, statement in _statements(now).items()}
        job = Job(kind=KIND, status=JobStatus.DONE, total=sum(counts.values()), result=dict(counts), created_at=now, finished_at=now)
        job.done = sum(counts.values())
        session.add(job)
    return job.done + await _forget_who_left(parts, now=now) + await forget_never_confirmed(parts)


def _statements(now: datetime) -> Mapping[str, Update]:
    """What is blanked, by kind. Each statement finds only what is not blank yet."""
    personal = [kind for kind in MessageKind if kind not in TO_FACILITATOR and kind is not MessageKind.NEWSLETTER]
    written = (col(Message.html) != "") | (col(Message.text) != "")
    settled = (JoinRequestStatus.OPEN, JoinRequestStatus.APPROVED, JoinRequestStatus.DECLINED)
    told = (col(JoinRequest.asked_ip) != "") | (col(JoinRequest.consent_text_version) != "")
    return {
        "mail to facilitators": _mail(TO_FACILITATOR, now - FACILITATORS_MAIL_KEPT).where(written),
        "personal mail": _mail(personal, now - PERSONAL_MAIL_KEPT).where(written),
        "addresses of guests told of a changed event": update(Delivery)
        .where(
            col(Delivery.member_id).is_(None),
            col(Delivery.kind) == MessageKind.EVENT_CHANGE,
            col(Delivery.queued_at) < now - PERSONAL_MAIL_KEPT,
            col(Delivery.email) != "",
        )
        .values(email="", to_name=""),
        "addresses and browsers of opens and clicks": update(EngagementEvent)
        .where(
            col(EngagementEvent.at) < now - BROWSERS_KEPT, (col(EngagementEvent.ip) != "") | col(EngagementEvent.user_agent).is_not(None)
        )
        .values(ip="", user_agent=None),
        "quoted text of replies": update(Reply)
        .where(col(Reply.received_at) < now - QUOTED_MAIL_KEPT, col(Reply.full_text) != "")
        .values(full_text=""),
        "answers of join requests": update(JoinRequest)
        .where(col(JoinRequest.confirmed_at) < now - ANSWERS_KEPT, col(JoinRequest.status).in_(settled), told)
        .values(answers={}, asked_ip="", consent_text_version=""),
        "rejected rows of imports": update(Job)
        .where(col(Job.finished_at) < now - REJECTED_ROWS_KEPT, col(Job.rejected_count) > 0, col(Job.error) != _BLANKED)
        .values(rejected=[], payload="", error=_BLANKED),
    }


_BLANKED = "The rejected rows were taken away after 30 days."


def _mail(kinds: Iterable[MessageKind], before: datetime) -> Update:
    old = update(Message).where(col(Message.created_at) < before, col(Message.kind).in_(list(kinds)))
    return old.values(html="", text="", links=[])


async def _forget_who_left(parts: Parts, *, now: datetime) -> int:
    """Erase people who left FORGET_LEFT_AFTER_DAYS ago and of whom nothing has changed since, but for
    those who still sign in to the console; a hash of the address stays."""
    days = parts.settings.forget_left_after_days
    if not days:
        return 0
    since = now - timedelta(days=days)
    changed_since = exists().where(col(MemberChange.member_id) == col(Member.id), col(MemberChange.at) >= since)
    signs_in = exists().where(col(ConsolePerson.email_key) == col(Member.email_key), col(ConsolePerson.removed_at).is_(None))
    query = select(Member.id).where(col(Member.status).in_(LEFT), col(Member.created_at) < since, ~changed_since, ~signs_in)
    async with parts.database.reading() as session:
        gone = (await session.exec(query.order_by(col(Member.id)).limit(BATCH))).all()
    for member_id in gone:
        await erase(parts, member_id, by=BY)
    return len(gone)
