from datetime import UTC, date, datetime

from service.measures.counts import EmailCounts, EventCounts, LinkCounts, ListSize
from service.measures.shapes import EmailFigures, EventFigures, Figures, ListFigures, Restatement
from service.measures.table import LINKS, RESTATED, as_csv, rows, shown

FIGURES = Figures(
    quarter="2026-Q2",
    label="2026/27 Q1",
    first_day=date(2026, 4, 1),
    last_day=date(2026, 6, 30),
    closed=True,
    as_of=datetime(2026, 7, 15, tzinfo=UTC),
    events=EventFigures.of(EventCounts(4, 61, 48)),
    mailing_list=ListFigures.of(ListSize(812, 96), ListSize(775, 0)),
    email=EmailFigures.of_kinds(
        {"newsletter": EmailCounts(sent=10412, bounced=35, opened=5120, opened_raw=6330, clicked=1377, clicked_raw=1650, not_measured=12)},
        [LinkCounts("=HYPERLINK('x')<b>", 120, 101)],
    ),
    restated={"email.opened": Restatement(closed=5120, now=5121)},
)


def test_rows_hold_the_figures_with_their_denominators() -> None:
    found = {(row.group, row.measure): row for row in rows(FIGURES)}
    assert found["Communication", "% opened"].value == 49.3
    assert "of 10377 delivered; unknown for 12 who declined measuring" in found["Communication", "opened"].note
    assert found["Communication", "change in people"].note == "against the period before: +4.8 %"
    assert found["Communication", "change in organisations"].note == "there were none at the end of the period before"
    assert found["By kind of mail", "nudge: % opened"].value is None
    assert [row.value for row in rows(FIGURES) if row.group == LINKS] == [120]
    assert [(row.value, row.note) for row in rows(FIGURES) if row.group == RESTATED] == [(5121, "was 5,120 when closed")]


def test_a_cell_that_looks_like_a_formula_is_made_harmless() -> None:
    assert "'=HYPERLINK" in as_csv(FIGURES)
    assert all(not line.split(",")[2].startswith(("=", "+", "@")) for line in as_csv(FIGURES).splitlines())


def test_values_are_shown_for_readers() -> None:
    assert [shown(v) for v in (None, 1234, 12.5, 100.0, 0, "x")] == ["–", "1,234", "12.5", "100.0", "0", "x"]
