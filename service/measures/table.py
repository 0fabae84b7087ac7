"""The measures as plain rows, shared by the command line, CSV and HTML; with the definition of each."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from service.measures.shapes import Figures, KindFigures
from service.members.transfer_cells import guarded

Value = int | float | str | None
ATTENDEES, COMMUNICATION, KINDS, LINKS, RESTATED = "Attendees", "Communication", "By kind of mail", "Top links", "Restated since closing"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what is measured, its value (None: there is no such figure) and what a reader should know."""

    group: str
    measure: str
    value: Value
    note: str = ""


DEFINITIONS: tuple[tuple[str, str], ...] = (
    ("Events", "Events that started in the period and were not cancelled."),
    ("Attendees", "Attendance records of those events: a person counts once per event. Distinct attendees counts each person once."),
    ("People on the mailing list", "Members subscribed at the last instant of the period, or now while it runs."),
    ("Organisations on the mailing list", "Distinct organisations of those people."),
    ("Change", "The value less the value at the end of the period before, absolute and in percent of it."),
    ("Emails sent", "Recipients the mail provider accepted in the period, every kind of mail, each counted once per recipient."),
    ("Delivered", "Sent less bounced. All rates are shares of it."),
    ("Opened", "Distinct pairs of message and recipient opened at least once by a person; raw also counts machines that load pictures."),
    ("Clicked", "Distinct pairs of message and recipient with at least one click by a person; raw also counts link scanners."),
    ("Belongs to", "An open, click, reply, unsubscribe or complaint belongs to the period in which its message was sent."),
)


def rows(figures: Figures) -> list[Row]:
    """Every figure in reading order."""
    return [
        *_events(figures),
        *_list(figures),
        *_mail(COMMUNICATION, "", figures.email, figures.email.not_measured),
        *(row for kind, inner in figures.email.by_kind.items() for row in _mail(KINDS, f"{kind.replace('_', ' ')}: ", inner, 0)),
        *(Row(LINKS, link.url, link.clicks, f"clicks by {link.people} people") for link in figures.email.top_links),
        *(Row(RESTATED, name, change.now, f"was {shown(change.closed)} when closed") for name, change in (figures.restated or {}).items()),
    ]


def _events(figures: Figures) -> Iterator[Row]:
    yield Row(ATTENDEES, "attendees at events", figures.events.attendees, "a person counts once per event")
    yield Row(ATTENDEES, "distinct attendees", figures.events.distinct_attendees, "each person once")
    yield Row(ATTENDEES, "events", figures.events.count, "started in the period, not cancelled")


def _list(figures: Figures) -> Iterator[Row]:
    sizes = figures.mailing_list
    when = "at the end of the period" if figures.closed else f"as of {figures.as_of:%Y-%m-%d %H:%M} UTC, or the end of the period"
    yield Row(COMMUNICATION, "people on the mailing list", sizes.people, when)
    yield Row(COMMUNICATION, "change in people", sizes.people_change, _against(sizes.people_change_pct))
    yield Row(COMMUNICATION, "organisations on the mailing list", sizes.organisations, when)
    yield Row(COMMUNICATION, "change in organisations", sizes.organisations_change, _against(sizes.organisations_change_pct))


def _against(pct: float | None) -> str:
    return "there were none at the end of the period before" if pct is None else f"against the period before: {pct:+.1f} %"


def _mail(group: str, prefix: str, mail: KindFigures, not_measured: int) -> Iterator[Row]:
    of_delivered = f"of {mail.delivered} delivered"
    unknown = f"; unknown for {not_measured} who declined measuring" if not_measured else ""
    yield Row(group, f"{prefix}emails sent", mail.sent, f"{mail.bounced} bounced")
    yield Row(group, f"{prefix}delivered", mail.delivered, "sent less bounced")
    yield Row(group, f"{prefix}opened", mail.opened, f"by people, {of_delivered}{unknown}")
    yield Row(group, f"{prefix}% opened", mail.opened_pct, f"people only; raw {shown(mail.opened_pct_raw)}")
    yield Row(group, f"{prefix}clicked", mail.clicked, f"by people, {of_delivered}{unknown}")
    yield Row(group, f"{prefix}% clicked", mail.clicked_pct, f"people only; raw {shown(mail.clicked_pct_raw)}")
    yield Row(group, f"{prefix}% click to open", mail.click_to_open_pct, f"of {mail.opened} opened")
    yield Row(group, f"{prefix}replies", mail.replies, "by people")
    yield Row(group, f"{prefix}unsubscribed", mail.unsubscribed, f"of {mail.sent} sent")
    yield Row(group, f"{prefix}complaints", mail.complaints, f"of {mail.sent} sent")


def shown(value: Value) -> str:
    """The value for a reader: `1,234`, `12.5`, and a dash where there is no figure."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def as_csv(figures: Figures) -> str:
    """The rows as CSV with a header; an empty value where there is no figure.

    Text that a spreadsheet would take for a formula (an address is whatever a mail held) is led by an apostrophe.
    """
    written = io.StringIO()
    out = csv.writer(written, lineterminator="\r\n")
    out.writerow(("period", "group", "measure", "value", "note"))
    for row in rows(figures):
        value = "" if row.value is None else row.value
        out.writerow((figures.quarter or figures.period, row.group, guarded(row.measure), value, guarded(row.note)))
    return written.getvalue()
