"""What the newsletter's API shows beside the edition itself: progress, proposal, checklist, report."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from service.newsletter.figures import EditionFigures, Report
from service.newsletter.hints import Level
from service.newsletter.models import Edition
from service.newsletter.progress import Progress
from service.newsletter.shapes import EditionPublic


class BooksPublic(BaseModel):
    """Where each recipient stands; `candidates` is left out plus all the others."""

    candidates: int
    left_out: int
    recipients: int
    accepted: int
    skipped: int
    failed: int
    needs_person: int
    waiting: int


class ProgressPublic(BaseModel):
    """How far an edition is; `phase` is preparing, handing_over, accepted, failed, needs_person or cancelled."""

    phase: str
    words: str
    books: BooksPublic


class EditionDetail(EditionPublic):
    """An edition and how far it is."""

    progress: ProgressPublic


class ChoicePublic(BaseModel):
    """One chosen item and why."""

    item_id: str
    score: float
    why: list[str]


class ProposalPublic(BaseModel):
    """A draft's proposal; `personal` holds by interest group what only its people see, `left_out` why each other item is not in."""

    lead: ChoicePublic | None
    items: list[ChoicePublic]
    announcements: list[ChoicePublic]
    personal: dict[str, ChoicePublic]
    left_out: dict[str, str]


class FindingPublic(BaseModel):
    """One line of the checklist."""

    check: str
    level: Level
    detail: str


class ReadersPublic(BaseModel):
    """Who would get it now; `left_out` counts by reason."""

    candidates: int
    readers: int
    measured: int
    left_out: dict[str, int]


class ChecklistPublic(BaseModel):
    """`ready` when no finding is an error."""

    ready: bool
    findings: list[FindingPublic]
    readers: ReadersPublic


class FiguresPublic(BaseModel):
    """One edition's figures: counts of recipients; percentages are of delivered, None when nothing was delivered."""

    number: int
    sent: int
    delivered: int
    bounced: int
    measured: int
    opened: int
    opened_pct: float | None
    opened_raw: int
    clicked: int
    clicked_pct: float | None
    clicked_raw: int
    replies: int
    unsubscribed: int
    complaints: int

    @classmethod
    def of(cls, figures: EditionFigures) -> Self:
        """The figures as shown."""
        return cls(
            number=figures.number,
            sent=figures.accepted,
            delivered=figures.delivered,
            bounced=figures.bounced,
            measured=figures.measured,
            opened=figures.opened,
            opened_pct=_pct(figures.opened_rate),
            opened_raw=figures.opened_raw,
            clicked=figures.clicked,
            clicked_pct=_pct(figures.clicked_rate),
            clicked_raw=figures.clicked_raw,
            replies=figures.replied,
            unsubscribed=figures.unsubscribed,
            complaints=figures.complained,
        )


class LinkPublic(BaseModel):
    """Clicks by people on one link."""

    url: str
    clicks: int
    people: int


class UsualPublic(BaseModel):
    """The medians of the editions before; None when there are none."""

    editions: int
    opened_pct: float | None
    clicked_pct: float | None
    replies: float | None
    unsubscribed: float | None


class SubjectPublic(BaseModel):
    """One subject of a trial: mails delivered, and people who opened and clicked."""

    subject: str
    delivered: int
    opened: int
    clicked: int


class TrialPublic(BaseModel):
    """Two subjects, each to half of the measured readers, and what can be said of them."""

    first: SubjectPublic
    second: SubjectPublic
    words: str


class HoursPublic(BaseModel):
    """When people read it, by the community's clock; each person once in each hour."""

    timezone: str
    matrix: list[list[int]] = Field(description="seven weekdays from Monday, each with 24 hours from midnight")


class ReportPublic(FiguresPublic):
    """An edition's report: its figures, per link, by hour, progress, and the last eight editions, newest first."""

    sent_at: datetime | None
    progress: ProgressPublic
    links: list[LinkPublic]
    hours: HoursPublic
    trial: TrialPublic | None = Field(description="null where there was one subject")
    usual: UsualPublic
    earlier: list[FiguresPublic]

    @classmethod
    def of_report(cls, edition: Edition, report: Report, progress: Progress, *, timezone: str) -> Self:
        """The report as shown."""
        usual = report.usual
        return cls(
            **FiguresPublic.of(report.figures).model_dump(),
            sent_at=edition.sent_at,
            progress=ProgressPublic.model_validate(progress, from_attributes=True),
            links=[LinkPublic.model_validate(link, from_attributes=True) for link in report.links],
            hours=HoursPublic(timezone=timezone, matrix=[list(day) for day in report.hours]),
            trial=TrialPublic.model_validate(report.trial, from_attributes=True) if report.trial else None,
            usual=UsualPublic(
                editions=usual.editions,
                opened_pct=_pct(usual.opened_rate),
                clicked_pct=_pct(usual.clicked_rate),
                replies=usual.replied,
                unsubscribed=usual.unsubscribed,
            ),
            earlier=[FiguresPublic.of(figures) for figures in report.earlier],
        )


def _pct(rate: float | None) -> float | None:
    return None if rate is None else round(100 * rate, 1)
