"""A quarter's data for tests of the report: nothing regular, and texts that try to break out."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from service.measures.activity import Activity, best_slot
from service.measures.counts import EmailCounts, LinkCounts, ListSize
from service.measures.quarters import Quarter
from service.measures.shapes import EmailFigures, EventFigures, Figures, GroupFigures, ListFigures, Restatement
from service.members.rules import LeadershipRole
from service.reports.content import report_of, stories_section
from service.reports.gather import EditionRow, EventRow, ReportData
from service.reports.shapes import Quote, Report

LONDON = ZoneInfo("Europe/London")
AS_OF = datetime(2026, 10, 15, tzinfo=UTC)
EVIL = "=HYPERLINK('x')<script>$a_1$ #set"
START = datetime(2026, 7, 1, 9, tzinfo=UTC)


def figures(quarter: Quarter, place: int) -> Figures:
    mails = {
        "newsletter": EmailCounts(
            sent=10352,
            bounced=35,
            opened=5090,
            opened_raw=6300,
            clicked=1365,
            clicked_raw=1640,
            unsubscribed=9,
            not_measured=412,
            replies=80,
        ),
        "welcome": EmailCounts(sent=60, opened=30, opened_raw=32, clicked=12, clicked_raw=12, replies=8),
    }
    people, organisations = 560 + 36 * place, 75 + 3 * place
    return Figures(
        quarter=str(quarter),
        label=quarter.label,
        first_day=quarter.first_day,
        last_day=quarter.last_day,
        closed=True,
        as_of=AS_OF,
        events=EventFigures(count=2, attendees=61, distinct_attendees=48),
        mailing_list=ListFigures.of(ListSize(people, organisations), ListSize(people - 36, organisations - 3)),
        email=EmailFigures.of_kinds(mails, [LinkCounts("https://example.org/guide", 120, 101), LinkCounts(EVIL, 3, 1)]),
        restated={"email.opened": Restatement(closed=5120, now=5121)},
    )


def data(spans: int = 8) -> ReportData:
    quarters = [Quarter(2026, 3)]
    while len(quarters) < spans:
        quarters.append(quarters[-1].previous())
    trend = [figures(quarter, place) for place, quarter in enumerate(quarters[::-1])]
    matrix = [[0] * 24 for _ in range(7)]
    matrix[2][10], matrix[0][8] = 167, 12
    return ReportData(
        figures=trend[-1],
        trend=trend,
        editions=[
            EditionRow(20, EVIL, START, EmailCounts(sent=800, bounced=2, opened=400, clicked=101)),
            EditionRow(None, "Before us", START + timedelta(days=7), EmailCounts(sent=790, opened=300, clicked=99)),
        ],
        events=[EventRow("Open call", START, 24, 17), EventRow(EVIL, START + timedelta(days=20), 0, 44)],
        activity=Activity(timezone="Europe/London", since=START, until=AS_OF, matrix=matrix, total=179, best=best_slot(matrix)),
        organisations=[
            GroupFigures(
                id=None, name=f"Trust {n}", people=20 - n, sent=9, delivered=8, opened=4, opened_pct=50.0, clicked=1, clicked_pct=12.5
            )
            for n in range(18)
        ],
        groups=[(role, place) for place, role in enumerate(LeadershipRole)],
    )


def report(spans: int = 8) -> Report:
    stories = [Quote(text=f"We dropped two charts. {EVIL}", changed="An hour a day back.", by="A ward sister")]
    told = stories_section(stories)
    assert told is not None
    return report_of(data(spans), community="Falls & <frailty>", zone=LONDON).with_section(told, before="groups")
