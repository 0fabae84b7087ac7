"""The report's sentences, in words for somebody who has two minutes and no background. Pure: figures in, text out."""

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from service.measures.activity import Activity
from service.measures.counts import EmailCounts
from service.measures.quarters import Month, Quarter
from service.measures.shapes import EmailFigures, Figures
from service.measures.table import shown

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)  # not strftime, which follows the machine's locale
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def day_text(day: date) -> str:
    """`3 June 2026`."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def short_day(at: datetime, zone: ZoneInfo) -> str:
    """`3 Jun` where the community lives."""
    here = at.astimezone(zone)
    return f"{here.day} {MONTHS[here.month - 1][:3]}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 event`, `2,000 events`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def span_name(figures: Figures) -> str:
    """The span in a sentence: `this quarter`, `this month`, `these days`."""
    if figures.quarter:
        return "this quarter"
    return "this month" if len(figures.period or "") == len("2026-07") else "these days"


def change_text(by: int, pct: float | None, before: str) -> str:
    """`37 more than at the end of 2026/27 Q1 (+4.8 %)`."""
    if by == 0:
        return f"as many as {before}"
    share = "" if pct is None else f" ({pct:+.1f} %)".replace("-", "−")
    return f"{abs(by):,} {'more' if by > 0 else 'fewer'} than {before}{share}"


def points_text(pct: float | None, pct_before: float | None, before: str) -> str:
    """How a rate changed, in points: `2.1 points up on 2026/27 Q1`; empty where there is nothing to compare."""
    if pct is None or pct_before is None:
        return ""
    tenths = round(10 * pct) - round(10 * pct_before)
    if tenths == 0:
        return f"the same as in {before}"
    return f"{abs(tenths) / 10:.1f} points {'up' if tenths > 0 else 'down'} on {before}"


def before_name(label: str) -> str:
    """What the span before is called in a comparison."""
    return label.partition(" (")[0]


def people_sentence(figures: Figures) -> str:
    """Who is on the list."""
    when = "At the end" if figures.closed else f"On {day_text(min(figures.as_of.date(), figures.last_day))}"
    return f"{when}, {counted(figures.mailing_list.people, 'person was', 'people were')} on the mailing list."


def organisations_sentence(figures: Figures) -> str:
    """Where they work."""
    sizes = figures.mailing_list
    return f"The people on the list work in {counted(sizes.organisations, 'organisation')}."


def events_sentence(figures: Figures) -> str:
    """Who came."""
    held = figures.events
    if not held.count:
        return f"There was no event {span_name(figures)}."
    who = counted(held.distinct_attendees, "different person", "different people")
    return f"{who} came to {counted(held.count, 'event')}, {counted(held.attendees, 'time')} in all."


def sent_sentence(mail: EmailFigures) -> str:
    """What went out, and how much of it came back."""
    if not mail.sent:
        return "No email was sent."
    return f"{counted(mail.delivered, 'email')} of {mail.sent:,} arrived; {mail.bounced:,} came back."


def opened_sentence(mail: EmailFigures) -> str:
    """What was opened, by people and raw, with the denominator."""
    if mail.opened_pct is None:
        return "Nothing was delivered, so there is no rate."
    return f"People opened {mail.opened:,} of {mail.delivered:,} delivered. With machines counted: {shown(mail.opened_pct_raw)} %."


def clicked_sentence(mail: EmailFigures) -> str:
    """What was followed, by people and raw, with the denominator."""
    if mail.clicked_pct is None:
        return "Nothing was delivered, so there is no rate."
    return f"In {mail.clicked:,} of {mail.delivered:,} people followed a link. With machines counted: {shown(mail.clicked_pct_raw)} %."


def summary_of(figures: Figures) -> str:
    """The whole report in two sentences."""
    sizes, mail, held = figures.mailing_list, figures.email, figures.events
    grown = "grew" if sizes.people_change > 0 else "shrank" if sizes.people_change < 0 else "stayed"
    by = f" by {abs(sizes.people_change):,}" if sizes.people_change else ""
    people = counted(sizes.people, "person", "people")
    first = f"The community {grown}{by} to {people} from {counted(sizes.organisations, 'organisation')}."
    if grown == "stayed":
        first = f"The community stayed at {people} from {counted(sizes.organisations, 'organisation')}."
    reach = [f"{counted(held.distinct_attendees, 'person', 'people')} came to {counted(held.count, 'event')}"] if held.count else []
    if mail.opened_pct is not None:
        reach.append(f"{shown(mail.opened_pct)} % of its emails were opened by people")
    second = (" and ".join(reach) + ".") if reach else ""
    return f"{first} {second[:1].upper()}{second[1:]}".strip()


def trend_sentence(trend: list[Figures]) -> str:
    """How the list went over the spans shown."""
    first, last = trend[0], trend[-1]
    if len(trend) == 1:
        return "This is the first span with any history, so there is nothing before it to compare with."
    change = last.mailing_list.people - first.mailing_list.people
    moved = f"{abs(change):,} {'more' if change > 0 else 'fewer'}" if change else "as many"
    return (
        f"{last.mailing_list.people:,} people now, {moved} {'than' if change else 'as'} at the end of {before_name(first.label)}; "
        f"{last.mailing_list.organisations:,} organisations, {first.mailing_list.organisations:,} then."
    )


def editions_sentence(mails: list[tuple[str, EmailCounts]]) -> str:
    """Which edition was opened most."""
    rated = [(mail.opened_pct, name) for name, mail in mails if mail.opened_pct is not None]
    if not rated:
        return "No newsletter went out."
    best = max(rated, key=lambda one: one[0])
    total = sum((mail for _, mail in mails), EmailCounts())
    said = f"{counted(len(mails), 'edition')} went out; people opened {shown(total.opened_pct)} % and followed links in"
    return f"{said} {shown(total.clicked_pct)} % of what was delivered. Most opened: {best[1]} ({shown(best[0])} %)."


def week_sentence(activity: Activity) -> str:
    """When members are active."""
    if activity.best is None:
        return "Nobody opened, clicked or replied, as far as we may know."
    best = activity.best
    return (
        f"Members are most active on {best.weekday.capitalize()} from {best.hour:02d}:00 to {(best.hour + 1) % 24:02d}:00: "
        f"{shown(best.share_pct)} % of all activity. By the time of each open, click or reply by a person, {activity.timezone}."
    )


def turnout_sentence(turnouts: Sequence[tuple[int, int]]) -> str:
    """How many came, beside how many had said they would: of each event (registered, came). The two are compared where people registered
    at all; some who came had not.
    """
    if not turnouts:
        return "There was no event."
    said = f"{counted(sum(came for _, came in turnouts), 'attendance')} at {counted(len(turnouts), 'event')}"
    asked = [(registered, came) for registered, came in turnouts if registered]
    if not asked:
        return f"{said}. Nobody had to register, so how many stayed away is unknown."
    registered, came = (sum(numbers) for numbers in zip(*asked, strict=True))
    where = "" if len(asked) == len(turnouts) else f" for {len(asked)} of them"
    return f"{said}. {counted(registered, 'person', 'people')} had registered{where}; {came:,} came."


def unknown_sentence(mail: EmailFigures) -> str:
    """What can't be known, said."""
    if not mail.not_measured:
        return "Everybody who got mail agreed to measuring, or measuring was not asked for."
    return (
        f"{mail.not_measured:,} of {mail.delivered:,} delivered emails went to people who did not agree to measuring. Whether they were "
        "opened is unknown; they count as delivered, so the true rates are the ones shown or higher."
    )


def axis_name(figures: Figures) -> str:
    """A short name for an axis: `2026/27 Q1`, `Jul 2026`, `1 Jul – 15 Aug`."""
    if figures.quarter:
        return Quarter.parse(figures.quarter).label
    if len(figures.period or "") == len("2026-07"):
        month = Month.parse(figures.period or "")
        return f"{MONTHS[month.first_day.month - 1][:3]} {month.first_day.year}"
    first, last = figures.first_day, figures.last_day
    return f"{first.day} {MONTHS[first.month - 1][:3]} – {last.day} {MONTHS[last.month - 1][:3]}"
