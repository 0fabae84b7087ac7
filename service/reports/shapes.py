"""What a report is made of: tiles, sections, tables and charts. Page, PDF, workbook, CSV and JSON are all written from these, so none
can say anything else than the others. Pure."""

from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

Cell = str | int | float | None
"""None: there is no such figure."""


class ChartKind(StrEnum):
    """How a table is drawn. Each chart is drawn from the table of its section and from nothing else."""

    TREND = "trend"
    EDITIONS = "editions"
    WEEK = "week"
    EVENTS = "events"


class Table(BaseModel):
    """The figures of a section; the first column names the row."""

    columns: list[str]
    rows: list[list[Cell]]


class Quote(BaseModel):
    """A story somebody allowed us to share."""

    text: str
    changed: str = Field(default="", description="what changed, in their words")
    by: str = ""


class Term(BaseModel):
    """One definition."""

    name: str
    meaning: str


class Tile(BaseModel):
    """One headline figure: its value, how it changed, and a sentence in plain words."""

    name: str
    value: str
    change: str
    sentence: str


class Section(BaseModel):
    """One part of the report. `says` is its message in a sentence or two."""

    key: str
    title: str
    says: str = ""
    chart: ChartKind | None = None
    alt: str = Field(default="", description="the chart in words")
    table: Table | None = None
    quotes: list[Quote] = []
    terms: list[Term] = []


class Report(BaseModel):
    """A whole report, without pictures: those are drawn from the tables."""

    model_config = ConfigDict(populate_by_name=True)

    community: str
    label: str
    period: str
    first_day: date = Field(alias="from")
    last_day: date = Field(alias="to")
    closed: bool
    as_of: datetime
    summary: str
    tiles: list[Tile]
    sections: list[Section]

    def with_section(self, section: Section, *, before: str) -> "Report":
        """The same with this section before the one of the key `before`; it takes the place of one with its own key."""
        kept = [one for one in self.sections if one.key != section.key]
        place = next((at for at, one in enumerate(kept) if one.key == before), len(kept))
        return self.model_copy(update={"sections": [*kept[:place], section, *kept[place:]]})
