"""The measures as one HTML page that reads and prints well without a network."""

from dataclasses import dataclass
from datetime import date
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined

from service.measures.shapes import Figures
from service.measures.table import DEFINITIONS, rows, shown

_environment = Environment(
    loader=PackageLoader("service.measures"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    value: str
    note: str = ""


def page(figures: Figures, *, community: str) -> str:
    """The page: headline figures, a table per group, the definitions. Everything is escaped; it loads nothing."""
    groups = [(name, list(lines)) for name, lines in groupby(rows(figures), key=lambda row: row.group)]
    template = _environment.get_template("measures.html")
    return template.render(
        figures=figures, community=community, headline=_headline(figures), groups=groups, definitions=DEFINITIONS, shown=shown, day=_day
    )


def _headline(figures: Figures) -> list[_Line]:
    sizes, mail = figures.mailing_list, figures.email
    return [
        _Line("People on the list", shown(sizes.people), _change(sizes.people_change)),
        _Line("Organisations", shown(sizes.organisations), _change(sizes.organisations_change)),
        _Line("Attendees", shown(figures.events.attendees), f"at {figures.events.count} events"),
        _Line("Emails sent", shown(mail.sent)),
        _Line("Opened", _share(mail.opened_pct), "by people"),
        _Line("Clicked", _share(mail.clicked_pct), "by people"),
    ]


def _change(by: int) -> str:
    return f"{by:+,} since the period before" if by else "as many as the period before"


def _share(pct: float | None) -> str:
    return shown(pct) if pct is None else f"{shown(pct)} %"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
