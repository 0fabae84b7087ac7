"""The measures as JSON: the keys, their order and their meaning are a promise to scripts, so new keys go to the end."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.measures.counts import EmailCounts, EventCounts, LinkCounts, ListSize, percent
from service.messages.rules import MessageKind

ALWAYS_SHOWN = (MessageKind.NEWSLETTER, MessageKind.WELCOME, MessageKind.NUDGE)


class EventFigures(BaseModel):
    """Events that started in the period and who attended."""

    count: int
    attendees: int
    distinct_attendees: int

    @classmethod
    def of(cls, counts: EventCounts) -> "EventFigures":
        """From counts."""
        return cls(count=counts.count, attendees=counts.attendees, distinct_attendees=counts.distinct_attendees)


class ListFigures(BaseModel):
    """The mailing list at the end of the period, and the change against the end of the period before."""

    people: int
    organisations: int
    people_change: int
    people_change_pct: float | None
    organisations_change: int
    organisations_change_pct: float | None

    @classmethod
    def of(cls, then: ListSize, before: ListSize) -> "ListFigures":
        """From the sizes at the ends of this period and of the one before."""
        people, organisations = then.people - before.people, then.organisations - before.organisations
        return cls(
            people=then.people,
            organisations=then.organisations,
            people_change=people,
            people_change_pct=percent(people, before.people),
            organisations_change=organisations,
            organisations_change_pct=percent(organisations, before.organisations),
        )


class KindFigures(BaseModel):
    """What became of mail sent in the period. Percentages are null when nothing was delivered (or, click to open, opened)."""

    sent: int
    delivered: int
    bounced: int
    opened: int
    opened_pct: float | None
    opened_pct_raw: float | None
    clicked: int
    clicked_pct: float | None
    clicked_pct_raw: float | None
    click_to_open_pct: float | None
    unsubscribed: int
    complaints: int
    replies: int

    @classmethod
    def of(cls, counts: EmailCounts) -> "KindFigures":
        """From counts."""
        return KindFigures(**_values(counts))


def _values(counts: EmailCounts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in KindFigures.model_fields}


class LinkFigures(BaseModel):
    """One link: clicks by people, and how many people."""

    url: str
    clicks: int
    people: int


class EmailFigures(KindFigures):
    """All mail of the period, then by kind, then the links people followed most."""

    by_kind: dict[str, KindFigures]
    top_links: list[LinkFigures]
    not_measured: int = Field(description="delivered to people who declined measuring: whether they opened is unknown")

    @classmethod
    def of_kinds(cls, kinds: dict[str, EmailCounts], links: list[LinkCounts]) -> "EmailFigures":
        """From the counts of each kind; the three main kinds are always shown, the others when there was any."""
        total = sum(kinds.values(), EmailCounts())
        shown = [kind for kind in MessageKind if kind in ALWAYS_SHOWN or kind in kinds]
        shown.sort(key=lambda kind: ALWAYS_SHOWN.index(kind) if kind in ALWAYS_SHOWN else len(ALWAYS_SHOWN))
        return cls(
            **_values(total),
            by_kind={kind.value: KindFigures.of(kinds.get(kind, EmailCounts())) for kind in shown},
            top_links=[LinkFigures(url=link.url, clicks=link.clicks, people=link.people) for link in links],
            not_measured=total.not_measured,
        )


class Restatement(BaseModel):
    """A figure of a closed quarter that would be another one today."""

    closed: int | float | None
    now: int | float | None


class GroupFigures(BaseModel):
    """One organisation or interest: its people on the list, and the mail to its people."""

    id: str | None
    name: str
    people: int
    sent: int
    delivered: int
    opened: int
    opened_pct: float | None
    clicked: int
    clicked_pct: float | None


def _is_absent(value: object) -> bool:
    return value is None


class Figures(BaseModel):
    """The measures of one quarter (`quarter`), or of a month or range of days (`period`)."""

    model_config = ConfigDict(populate_by_name=True)

    quarter: str | None = Field(default=None, exclude_if=_is_absent)
    period: str | None = Field(default=None, exclude_if=_is_absent)
    label: str
    first_day: date = Field(alias="from")
    last_day: date = Field(alias="to")
    closed: bool
    as_of: datetime
    events: EventFigures
    mailing_list: ListFigures
    email: EmailFigures
    restated: dict[str, Restatement] | None = Field(
        default=None, exclude_if=_is_absent, description="only where a closed quarter would differ today"
    )
    breakdown: list[GroupFigures] | None = Field(default=None, exclude_if=_is_absent, description="only when asked for")


class Headline(BaseModel):
    """The first figures of a quarter, for a list of quarters."""

    model_config = ConfigDict(populate_by_name=True)

    quarter: str
    label: str
    first_day: date = Field(alias="from")
    last_day: date = Field(alias="to")
    closed: bool
    as_of: datetime
    events: int
    attendees: int
    people: int
    organisations: int
    sent: int
    opened_pct: float | None
    clicked_pct: float | None

    @classmethod
    def of(cls, figures: Figures) -> "Headline":
        """From a quarter's figures."""
        return cls(
            quarter=figures.quarter or "",
            label=figures.label,
            first_day=figures.first_day,
            last_day=figures.last_day,
            closed=figures.closed,
            as_of=figures.as_of,
            events=figures.events.count,
            attendees=figures.events.attendees,
            people=figures.mailing_list.people,
            organisations=figures.mailing_list.organisations,
            sent=figures.email.sent,
            opened_pct=figures.email.opened_pct,
            clicked_pct=figures.email.clicked_pct,
        )
