"""The checklist before approval: what is missing, what could be better, how heavy it is, and who gets it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.newsletter.editions import content_findings, items_of
from service.newsletter.hints import Finding, Level, link_findings, preview_hints, second_subject_hints, size_finding, unknown_merge_tags
from service.newsletter.mail import edition_mail
from service.newsletter.models import Edition
from service.newsletter.readers import ReaderCount, count_readers, why_nobody
from service.newsletter.rules import EditionStatus
from service.newsletter.similarity import near_duplicates
from service.providers.merge_fields import GROUP_FIELDS
from service.rendering import Renderer
from service.settings import Settings

COMPARED_SUBJECTS = 12
_PICTURE_WITHOUT_ALT = re.compile(r"<img\b(?![^>]*\balt=)[^>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Checklist:
    """`ready` when no finding is an error. `readers` is who would get it now, `links` the addresses a reader can follow."""

    ready: bool
    findings: tuple[Finding, ...]
    readers: ReaderCount
    links: tuple[str, ...] = ()

    def with_findings(self, more: Sequence[Finding]) -> "Checklist":
        """The same with further findings, before the last one (who gets it)."""
        findings = (*self.findings[:-1], *more, self.findings[-1])
        return replace(self, findings=findings, ready=not any(f.level is Level.ERROR for f in findings))


async def checklist(session: AsyncSession, edition: Edition, *, now: datetime, renderer: Renderer, settings: Settings) -> Checklist:
    """Look the edition over. Raises Conflict when the mail can't be made at all."""
    items = await items_of(session, edition)
    findings = content_findings(edition, items, past_subjects=await _past_subjects(session, edition))
    findings += second_subject_hints(edition.subject_b, subject=edition.subject)
    findings += preview_hints(edition.preview_text, subject=edition.subject)
    twins = near_duplicates([(str(i.id), i.title) for i in items])
    titles = {str(i.id): i.title for i in items}
    findings += [
        Finding("duplicates", Level.WARNING, f"“{titles[item]}” tells the same story as “{titles[other]}”.")
        for item, other in twins.items()
    ]
    findings += [
        Finding("links", Level.WARNING, f"“{i.title}” has no link.") for i in items if not i.url and str(i.id) == edition.lead_item_id
    ]
    mail = await edition_mail(session, edition, now=now, renderer=renderer, settings=settings)
    findings += link_findings(mail.links)
    findings.append(size_finding(mail.html))
    unknown = unknown_merge_tags(mail.html + mail.text, own=frozenset(GROUP_FIELDS))
    findings += [Finding("merge_tags", Level.ERROR, f"Mailchimp does not know the merge tag {tag}.") for tag in unknown]
    if _PICTURE_WITHOUT_ALT.search(mail.html):
        findings.append(Finding("pictures", Level.ERROR, "A picture has no alternative text."))
    count = await count_readers(
        session, tracking_on=settings.tracking_on, goes_at=max(edition.scheduled_for or now, now), zone=settings.zone
    )
    findings.append(_audience_finding(count))
    return Checklist(not any(f.level is Level.ERROR for f in findings), tuple(findings), count, mail.links)


def _audience_finding(count: ReaderCount) -> Finding:
    if not count.readers:
        return Finding("audience", Level.ERROR, why_nobody(count))
    left_out = count.candidates - count.readers
    goes = "1 member" if count.readers == 1 else f"{count.readers} members"
    return Finding("audience", Level.OK, f"It goes to {goes}; {left_out} of {count.candidates} are left out.")


async def _past_subjects(session: AsyncSession, edition: Edition) -> list[str]:
    query = select(Edition.subject).where(Edition.id != edition.id, col(Edition.status).in_([EditionStatus.SENT, EditionStatus.SENDING]))
    return list((await session.exec(query.order_by(col(Edition.frozen_at).desc()).limit(COMPARED_SUBJECTS))).all())
