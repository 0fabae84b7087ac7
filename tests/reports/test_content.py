from collections.abc import Iterator

from service.measures.quarters import Quarter
from service.measures.shapes import ListFigures
from service.reports import wording
from service.reports.content import figure_in_words
from service.reports.shapes import Report, Section
from tests.reports.kit import data, figures, report


def section(made: Report, key: str) -> Section:
    return next(one for one in made.sections if one.key == key)


def cells(made: Report) -> Iterator[object]:
    for one in made.sections:
        if one.table is not None:
            yield from (cell for row in one.table.rows for cell in row)


def test_the_headline_says_each_figure_its_change_and_a_sentence() -> None:
    tiles = {tile.name: (tile.value, tile.change, tile.sentence) for tile in report().tiles}
    assert tiles["People on the mailing list"] == (
        "812",
        "36 more than at the end of 2026/27 Q1 (+4.6 %)",
        "At the end, 812 people were on the mailing list.",
    )
    assert tiles["Organisations"][:2] == ("96", "3 more than at the end of 2026/27 Q1 (+3.2 %)")
    assert tiles["Attendees at events"] == ("61", "as many as in 2026/27 Q1", "48 different people came to 2 events, 61 times in all.")
    assert tiles["Emails sent"][2] == "10,377 emails of 10,412 arrived; 35 came back."
    assert tiles["Emails opened"] == (
        "49.3 %",
        "the same as in 2026/27 Q1",
        "People opened 5,120 of 10,377 delivered. With machines counted: 61.0 %.",
    )
    assert tiles["Links clicked"][2] == "In 1,377 of 10,377 people followed a link. With machines counted: 15.9 %."


def test_every_figure_of_the_measures_stands_in_a_table() -> None:
    found = data().figures
    shown = set(cells(report()))
    for mail in (found.email, *found.email.by_kind.values()):
        assert set(mail.model_dump(exclude={"by_kind", "top_links", "not_measured"}).values()) <= shown
    assert {link.clicks for link in found.email.top_links} | {found.events.attendees, found.mailing_list.people} <= shown
    assert section(report(), "kinds").says.startswith("412 of 10,377 delivered emails went to people who did not agree to measuring.")


def test_the_trend_ends_with_this_quarter_and_a_first_quarter_has_no_chart() -> None:
    table = section(report(), "trend").table
    assert table is not None
    assert [row[:3] for row in table.rows][-2:] == [["2026/27 Q1", 776, 93], ["2026/27 Q2", 812, 96]]
    alone = report(spans=1)
    assert section(alone, "trend").chart is None
    assert [tile.change for tile in alone.tiles][2:] == ["", "", "", ""]


def test_what_nobody_can_know_is_said_and_not_shown_as_nought() -> None:
    table = section(report(), "events").table
    assert table is not None
    assert [row[1] for row in table.rows] == [24, None]
    empty = figures(Quarter(2026, 3), 0)
    assert wording.turnout_sentence([(0, 9)]).endswith("how many stayed away is unknown.")
    said = wording.turnout_sentence([(24, 17), (0, 44)])
    assert said == "61 attendances at 2 events. 24 people had registered for 1 of them; 17 came."
    assert wording.opened_sentence(empty.email.model_copy(update={"opened_pct": None})) == "Nothing was delivered, so there is no rate."


def test_organisations_beyond_the_first_are_added_up() -> None:
    table = section(report(), "organisations").table
    assert table is not None
    assert len(table.rows) == 16
    assert table.rows[-1] == ["3 others", 12, 24, 12, 50.0, 3, 12.5]


def test_the_method_is_the_last_page_and_what_came_later_stands_before_it() -> None:
    keys = [one.key for one in report().sections]
    assert keys.index("stories") == keys.index("groups") - 1
    assert keys[-2:] == ["restated", "method"]
    again = report().with_section(Section(key="restated", title="New"), before="method")
    assert [one.title for one in again.sections if one.key == "restated"] == ["New"]
    assert [one.key for one in again.sections] == keys


def test_the_summary_is_plain() -> None:
    made = figures(Quarter(2026, 3), 7)
    assert wording.summary_of(made) == (
        "The community grew by 36 to 812 people from 96 organisations. "
        "48 people came to 2 events and 49.3 % of its emails were opened by people."
    )
    still = made.model_copy(update={"mailing_list": ListFigures.model_validate(made.mailing_list.model_dump() | {"people_change": 0})})
    assert wording.summary_of(still).startswith("The community stayed at 812 people")


def test_figures_that_would_be_others_today_are_named_in_words() -> None:
    table = section(report(), "restated").table
    assert table is not None
    assert table.rows == [["All mail: opened", 5120, 5121]]
    assert figure_in_words("email.by_kind.nudge.opened_pct_raw") == "Personal nudges: opened %, machines included"
    assert figure_in_words("mailing_list.people_change") == "Mailing list: people change"
