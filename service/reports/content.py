"""The report as blocks: which figures, in which order, with which words. Pure."""

from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

from service.leadership.rules import GROUPS
from service.measures.counts import EmailCounts
from service.measures.shapes import Figures, KindFigures
from service.measures.table import DEFINITIONS, shown
from service.reports import wording
from service.reports.gather import EditionRow, ReportData
from service.reports.shapes import Cell, ChartKind, Quote, Report, Section, Table, Term, Tile

MOST_ORGANISATIONS = 15
KIND_NAMES = {"newsletter": "Newsletters", "welcome": "Welcomes", "nudge": "Personal nudges", "": "Other replies"}


def report_of(data: ReportData, *, community: str, zone: ZoneInfo) -> Report:
    """The report without stories, which are added when it is read: a yes may be taken back."""
    figures = data.figures
    sections = [
        _trend(data),
        _editions(data, zone),
        _week(data),
        _events(data, zone),
        _links(data),
        _groups(data),
        _kinds(figures),
        _answers(figures),
        _organisations(data),
        restated_section(figures),
        _method(figures, zone),
    ]
    return Report(
        community=community,
        label=figures.label,
        period=figures.quarter or figures.period or "",
        first_day=figures.first_day,
        last_day=figures.last_day,
        closed=figures.closed,
        as_of=figures.as_of,
        summary=wording.summary_of(figures),
        tiles=list(_tiles(data)),
        sections=[section for section in sections if section is not None],
    )


def _tiles(data: ReportData) -> Iterator[Tile]:
    now, sizes, mail = data.figures, data.figures.mailing_list, data.figures.email
    before = data.trend[-2] if len(data.trend) > 1 else None
    label = wording.before_name(before.label) if before else ""

    def against(this: int, then: int | None) -> str:
        if then == 0 and this:  # perhaps there was none, perhaps nobody wrote it down
            return f"none on record in {label}"
        return "" if then is None else wording.change_text(this - then, None, f"in {label}")

    ending = f"at the end of {label}" if before else "in the period before"
    people = wording.change_text(sizes.people_change, sizes.people_change_pct, ending)
    organisations = wording.change_text(sizes.organisations_change, sizes.organisations_change_pct, ending)
    yield Tile(name="People on the mailing list", value=shown(sizes.people), change=people, sentence=wording.people_sentence(now))
    yield Tile(name="Organisations", value=shown(sizes.organisations), change=organisations, sentence=wording.organisations_sentence(now))
    came = against(now.events.attendees, before.events.attendees if before else None)
    yield Tile(name="Attendees at events", value=shown(now.events.attendees), change=came, sentence=wording.events_sentence(now))
    sent = against(mail.sent, before.email.sent if before else None)
    yield Tile(name="Emails sent", value=shown(mail.sent), change=sent, sentence=wording.sent_sentence(mail))
    opened = wording.points_text(mail.opened_pct, before.email.opened_pct if before else None, label)
    yield Tile(name="Emails opened", value=_share(mail.opened_pct), change=opened, sentence=wording.opened_sentence(mail))
    clicked = wording.points_text(mail.clicked_pct, before.email.clicked_pct if before else None, label)
    yield Tile(name="Links clicked", value=_share(mail.clicked_pct), change=clicked, sentence=wording.clicked_sentence(mail))


def _share(pct: float | None) -> str:
    return shown(pct) if pct is None else f"{shown(pct)} %"


def _trend(data: ReportData) -> Section:
    trend = list(data.trend)
    rows: list[list[Cell]] = [
        [
            wording.axis_name(f),
            f.mailing_list.people,
            f.mailing_list.organisations,
            f.events.count,
            f.events.attendees,
            f.email.sent,
            f.email.opened_pct,
            f.email.clicked_pct,
        ]
        for f in trend
    ]
    columns = ["Period", "People", "Organisations", "Events", "Attendees", "Emails sent", "Opened %", "Clicked %"]
    said = wording.trend_sentence(trend)
    return Section(
        key="trend",
        title="People and organisations",
        says=said,
        chart=ChartKind.TREND if len(trend) > 1 else None,
        alt=f"Two lines over {len(trend)} periods. {said}",
        table=Table(columns=columns, rows=rows),
    )


def _name(edition: EditionRow) -> str:
    return f"No.\u00a0{edition.number}" if edition.number is not None else edition.subject


def _editions(data: ReportData, zone: ZoneInfo) -> Section:
    rows: list[list[Cell]] = [
        [
            f"{'No. ' + str(e.number) + ', ' if e.number is not None else ''}{wording.short_day(e.sent_at, zone)}",
            e.subject,
            e.mail.sent,
            e.mail.delivered,
            e.mail.opened,
            e.mail.opened_pct,
            e.mail.clicked,
            e.mail.clicked_pct,
        ]
        for e in data.editions
    ]
    said = wording.editions_sentence([(_name(e), e.mail) for e in data.editions])
    return Section(
        key="editions",
        title="Each newsletter: sent, opened, clicked",
        says=said,
        chart=ChartKind.EDITIONS if rows else None,
        alt=f"Bars for {len(rows)} newsletters: emails sent, and of those opened and clicked by people. {said}",
        table=Table(columns=["Newsletter", "Subject", "Sent", "Delivered", "Opened", "Opened %", "Clicked", "Clicked %"], rows=rows)
        if rows
        else None,
    )


def _week(data: ReportData) -> Section:
    activity = data.activity
    said = wording.week_sentence(activity)
    rows: list[list[Cell]] = [[day, *hours] for day, hours in zip(wording.WEEKDAYS, activity.matrix, strict=True)]
    return Section(
        key="week",
        title="When members are active",
        says=said,
        chart=ChartKind.WEEK if activity.total else None,
        alt=f"A week of hours, darker where more people were active. {said}",
        table=Table(columns=["Weekday", *(f"{hour:02d}" for hour in range(24))], rows=rows) if activity.total else None,
    )


def _events(data: ReportData, zone: ZoneInfo) -> Section:
    rows: list[list[Cell]] = [[f"{wording.short_day(e.starts_at, zone)}: {e.title}", e.registered or None, e.attended] for e in data.events]
    said = wording.turnout_sentence([(e.registered, e.attended) for e in data.events])
    return Section(
        key="events",
        title="Events and attendance",
        says=said,
        chart=ChartKind.EVENTS if rows else None,
        alt=f"A bar for each of {len(rows)} events: how many registered and how many came. {said}",
        table=Table(columns=["Event", "Registered", "Attended"], rows=rows) if rows else None,
    )


def _links(data: ReportData) -> Section:
    links = data.figures.email.top_links
    rows: list[list[Cell]] = [[link.url, link.clicks, link.people] for link in links]
    said = f"The link followed most was clicked by {wording.counted(links[0].people, 'person', 'people')}." if links else ""
    return Section(
        key="links",
        title="What members went to read",
        says=said or "Nobody followed a link, as far as we may know.",
        table=Table(columns=["Link", "Clicks by people", "People"], rows=rows) if rows else None,
    )


def stories_section(stories: Sequence[Quote]) -> Section | None:
    """Stories that may be shared today; None where there is none."""
    if not stories:
        return None
    return Section(key="stories", title="Stories of what changed", says="Shared with the tellers' permission.", quotes=list(stories))


def _groups(data: ReportData) -> Section | None:
    if not any(people for _, people in data.groups):
        return None
    rows: list[list[Cell]] = [[GROUPS[role].name, GROUPS[role].purpose.partition(":")[0], people] for role, people in data.groups]
    active = sum(1 for _, people in data.groups if people)
    return Section(
        key="groups",
        title="Members who lead",
        says=f"{active} of the seven leadership groups have members today.",
        table=Table(columns=["Group", "What they do", "People today"], rows=rows),
    )


def _kinds(figures: Figures) -> Section:
    columns = ["Kind of mail", "Sent", "Delivered", "Opened", "Opened %", "Opened % raw", "Clicked", "Clicked %", "Clicked % raw"]
    rows: list[list[Cell]] = [
        [name, m.sent, m.delivered, m.opened, m.opened_pct, m.opened_pct_raw, m.clicked, m.clicked_pct, m.clicked_pct_raw]
        for name, m in _all_kinds(figures)
    ]
    return Section(
        key="kinds", title="All mail by kind", says=wording.unknown_sentence(figures.email), table=Table(columns=columns, rows=rows)
    )


def _answers(figures: Figures) -> Section:
    columns = ["Kind of mail", "Sent", "Bounced", "Click to open %", "Replies", "Unsubscribed", "Complaints"]
    rows: list[list[Cell]] = [
        [name, m.sent, m.bounced, m.click_to_open_pct, m.replies, m.unsubscribed, m.complaints] for name, m in _all_kinds(figures)
    ]
    said = f"{wording.counted(figures.email.replies, 'reply', 'replies')} by people; out-of-office notes are not counted."
    return Section(key="answers", title="What came back", says=said, table=Table(columns=columns, rows=rows))


def _all_kinds(figures: Figures) -> Iterator[tuple[str, KindFigures]]:
    for kind, inner in figures.email.by_kind.items():
        yield _kind_name(kind), inner
    yield "All mail", figures.email


def _organisations(data: ReportData) -> Section | None:
    if not data.organisations:
        return None
    shown_rows, rest = data.organisations[:MOST_ORGANISATIONS], data.organisations[MOST_ORGANISATIONS:]
    rows: list[list[Cell]] = [[g.name, g.people, g.delivered, g.opened, g.opened_pct, g.clicked, g.clicked_pct] for g in shown_rows]
    if rest:
        mail = EmailCounts(sent=sum(g.delivered for g in rest), opened=sum(g.opened for g in rest), clicked=sum(g.clicked for g in rest))
        people = sum(g.people for g in rest)
        rows.append([f"{len(rest)} others", people, mail.sent, mail.opened, mail.opened_pct, mail.clicked, mail.clicked_pct])
    return Section(
        key="organisations",
        title="By organisation",
        says="Most people first. People whose organisation we don't know are under “(not given)”.",
        table=Table(columns=["Organisation", "People", "Delivered", "Opened", "Opened %", "Clicked", "Clicked %"], rows=rows),
    )


def _kind_name(kind: str) -> str:
    return KIND_NAMES.get(kind, kind.replace("_", " ").capitalize())


def figure_in_words(name: str) -> str:
    """A figure's name in the API as a reader's words: `email.by_kind.nudge.opened_pct` as `Personal nudges: opened %`."""
    group, *between, last = name.split(".")
    whole = {"email": "All mail", "events": "Events", "mailing_list": "Mailing list"}.get(group, group)
    what = last.replace("_pct_raw", " %, machines included").replace("_raw", ", machines included").replace("_pct", " %")
    return f"{_kind_name(between[-1]) if between else whole}: {what.replace('_', ' ')}"


def restated_section(figures: Figures) -> Section | None:
    """What would be another figure today, beside the figure of the day the quarter was closed; None where nothing would."""
    if not figures.restated:
        return None
    rows: list[list[Cell]] = [[figure_in_words(name), change.closed, change.now] for name, change in figures.restated.items()]
    return Section(
        key="restated",
        title="What came in after closing",
        says="The figures in this report are those of the day it was closed. These would be others today.",
        table=Table(columns=["Figure", "When closed", "Today"], rows=rows),
    )


def _method(figures: Figures, zone: ZoneInfo) -> Section:
    state = (
        f"Closed: the figures stand as of {wording.day_text(figures.as_of.date())} and don't change any more."
        if figures.closed
        else f"Not closed yet: figures as of {wording.day_text(figures.as_of.date())}; they can still change."
    )
    more = (
        ("By people", "Opens and clicks that mail scanners and picture proxies make are told apart and left out; raw figures count them."),
        ("Unknown", "Mail to people who did not agree to measuring counts as delivered; whether it was opened is unknown."),
        ("Time zone", f"Days, hours and quarters are those of {zone.key}."),
    )
    return Section(
        key="method",
        title="How the figures are made",
        says=state,
        terms=[Term(name=name, meaning=meaning) for name, meaning in (*DEFINITIONS, *more)],
    )
