"""What goes in and out of the newsletter's API: shapes that check what they are given. The tables are in `models.py`."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, StringConstraints, computed_field
from sqlmodel import Field, SQLModel

from service.clock import Instant
from service.newsletter.hints import is_web_address
from service.newsletter.rules import ContentKind, ContentStatus, EditionStatus, FeedSchedule, SummaryFormat
from service.newsletter.words import html_of, text_of
from service.resources.models import LearningActivity

ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
"""No control characters: titles and subjects go into headers and feeds, and PostgreSQL refuses NUL."""
NO_NUL = r"^[^\x00]*$"


def _web_address(value: str) -> str:
    if value and not is_web_address(value):
        raise ValueError("is not a web address; use one that starts with https://")
    return value


def storable(value: str) -> str:
    """The value, when it can be stored as UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half a character that can't be stored") from error
    return value


def no_nul(value: str | None) -> str | None:
    """Words to search for, as a database takes them."""
    return value.replace("\x00", "") if value else value


WebAddress = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), AfterValidator(_web_address)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=ONE_LINE), AfterValidator(storable)]
Line150 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=150, pattern=ONE_LINE), AfterValidator(storable)]
Line200 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=ONE_LINE), AfterValidator(storable)]
Text500 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=NO_NUL), AfterValidator(storable)]
Text5000 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=5000, pattern=NO_NUL), AfterValidator(storable)]
Topics = Annotated[
    list[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=ONE_LINE)]], Field(max_length=20)
]
Personal = Annotated[dict[UUID, UUID], Field(max_length=4)]
"""Interest group id -> the item that only its people see."""
SettableStatus = Literal[ContentStatus.COLLECTED, ContentStatus.ACCEPTED, ContentStatus.DROPPED]
"""`used` is never set by hand: an edition sets it."""


class ContentCreate(SQLModel):
    """A new item. What a person adds is accepted, and its summary is Markdown, unless they say otherwise."""

    kind: ContentKind
    title: Title
    url: WebAddress = ""
    summary: Text5000 = ""
    summary_format: SummaryFormat = SummaryFormat.MARKDOWN
    source: Line200 = ""
    status: SettableStatus = ContentStatus.ACCEPTED
    activities: Annotated[list[LearningActivity], Field(max_length=7)] = []
    topics: Topics = []
    published_at: Instant | None = None


class ContentUpdate(SQLModel):
    """What may change; absent fields stay: a summary alone is taken as what the item's was written in."""

    kind: ContentKind | None = None
    title: Title | None = None
    url: WebAddress | None = None
    summary: Text5000 | None = None
    summary_format: SummaryFormat | None = None
    source: Line200 | None = None
    status: SettableStatus | None = None
    activities: Annotated[list[LearningActivity], Field(max_length=7)] | None = None
    topics: Topics | None = None
    published_at: Instant | None = None


class ContentPublic(SQLModel):
    """An item as shown; `used_in` are the numbers of the editions it appeared in. `summary` is as it was written, the other two are
    what readers get of it.
    """

    id: UUID
    kind: ContentKind
    title: str
    url: str
    summary: str
    summary_format: SummaryFormat
    source: str
    status: ContentStatus
    activities: list[str]
    topics: list[str]
    feed_id: UUID | None
    published_at: datetime | None
    used_in: list[str]
    created_at: datetime
    updated_at: datetime

    @computed_field  # type: ignore[prop-decorator]
    @property
    def summary_html(self) -> str:
        """Cleaned HTML."""
        return html_of(self.summary, self.summary_format)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def summary_text(self) -> str:
        """Plain text."""
        return text_of(self.summary, self.summary_format)


class WordsToSee(SQLModel):
    """Words to be seen before they are kept."""

    summary: Text5000
    summary_format: SummaryFormat = SummaryFormat.MARKDOWN


class WordsSeen(SQLModel):
    """The same as readers get them, in HTML and in the text part."""

    html: str
    text: str


class FeedCreate(SQLModel):
    """A feed to read. `kind` is what its entries become; `schedule` how often it is read: adaptive is every hour while it brings news,
    else every four.
    """

    url: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), AfterValidator(_web_address)]
    title: Line200 = ""
    kind: ContentKind = ContentKind.CONTENT
    schedule: FeedSchedule = FeedSchedule.ADAPTIVE


class FeedUpdate(SQLModel):
    """What may change; absent fields stay. `active` true also gives a dead feed another chance."""

    title: Line200 | None = None
    kind: ContentKind | None = None
    schedule: FeedSchedule | None = None
    active: bool | None = None


class FeedPublic(SQLModel):
    """A feed as shown; `problem` says what is wrong and what to do, empty when all is well."""

    id: UUID
    url: str
    title: str
    kind: ContentKind
    active: bool
    schedule: FeedSchedule
    checked_at: datetime | None
    next_check_at: datetime
    failures: int
    problem: str
    created_at: datetime


class EditionCreate(SQLModel):
    """An extra edition; everything may come later."""

    subject: Line150 = ""
    preview_text: Line150 = ""
    intro: Text5000 = ""
    question: Text500 = ""
    item_ids: Annotated[list[UUID], Field(max_length=30)] = []
    lead_item_id: UUID | None = None
    personal: Personal = {}
    subject_b: Line150 = ""
    scheduled_for: Instant | None = None


class EditionUpdate(SQLModel):
    """What may change; absent fields stay, `lead_item_id` null takes the lead away."""

    subject: Line150 | None = None
    preview_text: Line150 | None = None
    intro: Text5000 | None = None
    question: Text500 | None = None
    item_ids: Annotated[list[UUID], Field(max_length=30)] | None = None
    lead_item_id: UUID | None = None
    personal: Personal | None = None
    subject_b: Line150 | None = None
    scheduled_for: Instant | None = None


class EditionPublic(SQLModel):
    """An edition as shown; `slot` is the ISO week of a regular one."""

    id: UUID
    number: int
    slot: str | None
    subject: str
    preview_text: str
    intro: str
    question: str
    item_ids: list[str]
    lead_item_id: str | None
    personal: dict[str, str]
    subject_b: str
    status: EditionStatus
    scheduled_for: datetime | None
    approved_at: datetime | None
    approved_by: str
    frozen_at: datetime | None
    sent_at: datetime | None
    candidates: int
    left_out: dict[str, int]
    last_error: str
    created_at: datetime
    updated_at: datetime


class ApproveRequest(SQLModel):
    """Who stands for the edition; left out, the key's name."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=ONE_LINE), AfterValidator(storable)] = ""


class ScheduleRequest(SQLModel):
    """When an edition goes: a full quarter hour ahead."""

    scheduled_for: Instant


class TestRequest(SQLModel):
    """Where a test goes."""

    __test__ = False

    emails: Annotated[list[Annotated[str, StringConstraints(max_length=320)]], Field(min_length=1, max_length=5)]
