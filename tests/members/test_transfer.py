import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database
from service.errors import InvalidInput
from service.members.actions import find_member, record_member, set_status
from service.members.history import people_on_list
from service.members.models import ConsentRecord, JoinRequest, Member, MemberChange, Organisation
from service.members.rules import JoinRequestStatus, MemberStatus
from service.members.shapes import ConsentGiven, MemberCreate
from service.members.transfer import BatchReport, ImportOptions, ImportSummary, import_members
from service.members.transfer_export import export_members
from tests.fakes import NOW
from tests.members.files import MAILCHIMP, as_csv, mailchimp_csv, mailchimp_rows

OWN = ("email", "first_name", "organisation", "consent_source", "consent_at", "join_reason", "interests", "leadership_roles", "status")
THEN = "2026-03-04 05:06:07"


async def nobody(_session: AsyncSession, _keys: Sequence[str]) -> set[str]:
    return set()


class Reports:
    """Remembers what the import told."""

    def __init__(self) -> None:
        self.rejects: list[tuple[int, str, str]] = []
        self.notes: list[tuple[int, str]] = []
        self.summaries: list[ImportSummary] = []

    async def __call__(self, report: BatchReport) -> None:
        self.rejects += [(r.row, r.field, r.reason) for r in report.rejects]
        self.notes += [(n.row, n.text) for n in report.notes]
        self.summaries.append(report.summary)


async def run(database: Database, folder: Path, content: str | bytes, **given: Any) -> tuple[ImportSummary, Reports]:
    source = folder / "people.csv"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    reports = Reports()
    options = given.pop("options", None)
    is_stopped = given.pop("is_stopped", nobody)
    summary = await import_members(database, source, now=NOW, is_stopped=is_stopped, options=options, on_batch=reports, **given)
    return summary, reports


async def everything(database: Database) -> list[list[Any]]:
    async with database.reading() as session:
        tables = (Member, MemberChange, ConsentRecord, JoinRequest, Organisation)
        return [[row.model_dump() for row in (await session.exec(select(table).order_by(table.id))).all()] for table in tables]


async def member(database: Database, email: str) -> Member:
    async with database.reading() as session:
        found = await find_member(session, email)
        assert found is not None
        return found


def own(*rows: Sequence[str]) -> str:
    return as_csv(OWN, [list(row) + [""] * (len(OWN) - len(row)) for row in rows])


async def test_an_audience_export_of_mailchimp_comes_in_as_it_is(database: Database, tmp_path: Path) -> None:
    summary, reports = await run(database, tmp_path, mailchimp_csv(2_500))
    assert (summary.total, summary.rows, summary.added, summary.rejected) == (2_500, 2_500, 2_500, 0)
    assert [s.rows for s in reports.summaries] == [1_000, 2_000, 2_500]
    assert summary.organisations == 9  # nhs.net says nothing, mail.bradford is bradford
    first = await member(database, "person.0@nhs.net")
    row = mailchimp_rows(1)[0]
    assert (first.email, first.first_name, first.last_name, first.interests) == ("Person.0@nhs.net", row[1], row[2], ["qi", "night shift"])
    assert first.status == MemberStatus.SUBSCRIBED
    assert first.consent_at == first.joined_at == datetime.fromisoformat(row[8]).replace(tzinfo=UTC)
    assert (first.consent_source, first.consent_ip, first.allows_measuring) == ("mailchimp", "81.2.69.160", False)
    assert first.audience_due_at == NOW
    async with database.reading() as session:
        assert first.consent_at
        assert await people_on_list(session, NOW) == 2_500
        assert 0 < await people_on_list(session, first.consent_at) < 2_500


async def test_importing_twice_changes_nothing(database: Database, tmp_path: Path) -> None:
    content = mailchimp_csv(1_200)
    await run(database, tmp_path, content)
    before = await everything(database)
    summary, _ = await run(database, tmp_path, content)
    assert (summary.added, summary.changed, summary.unchanged) == (0, 0, 1_200)
    assert await everything(database) == before


async def test_a_dry_run_tells_the_same_and_writes_nothing(database: Database, tmp_path: Path) -> None:
    await run(database, tmp_path, own(["ann@leedsth.nhs.uk", "Ann", "", "form", THEN]))
    before = await everything(database)
    content = own(
        ["ann@leedsth.nhs.uk", "Anne"],
        ["bob@leedsth.nhs.uk", "Bob", "New Place", "form", THEN, "Falls"],
        ["nonsense"],
        *([f"p{number}@nhs.net", "", "New Place"] for number in range(1_500)),
    )
    dry, dry_reports = await run(database, tmp_path, content, options=ImportOptions(dry_run=True))
    assert await everything(database) == before
    real, reports = await run(database, tmp_path, content)
    assert dry == real
    assert (real.added, real.changed, real.rejected, real.organisations, real.join_requests) == (1_501, 1, 1, 1, 1)
    assert (dry_reports.rejects, dry_reports.notes) == (reports.rejects, reports.notes)


@pytest.mark.parametrize(
    ("encoding", "delimiter", "newline", "start"),
    [
        ("utf-8", ",", "\n", ""),
        ("utf-8-sig", ";", "\r\n", ""),
        ("cp1252", ";", "\r\n", ""),
        ("utf-16", "\t", "\r\n", ""),
        ("utf-8", "|", "\r", ""),
        ("utf-8", ";", "\r\n", "sep=;\r\n"),
    ],
)
async def test_whatever_program_wrote_the_file(
    database: Database, tmp_path: Path, encoding: str, delimiter: str, newline: str, start: str
) -> None:
    inside = delimiter.replace("\t", ",")
    rows = [["zoe@nhs.net", "Zoë", f"St Mary’s{inside} Leeds"], ["", "", ""], ["josé@nhs.net", "x", ""], ["bo@nhs.net", "Bo\nb", ""]]
    content = start + as_csv(
        ("E-mail Address", "First Name", "Organisation"), rows, delimiter=delimiter, newline=newline, quote_all=newline == "\r"
    )
    summary, reports = await run(database, tmp_path, content.encode(encoding))
    assert summary.added == 1
    found = await member(database, "zoe@nhs.net")
    assert found.first_name == "Zoë"
    assert [(row, field) for row, field, _ in reports.rejects] == [(4, "email"), (5, "first_name")]
    async with database.reading() as session:
        assert (await session.exec(select(Organisation.name))).all() == [f"St Mary’s{inside} Leeds"]


async def test_each_rejected_row_is_told_with_its_field_and_the_mend(database: Database, tmp_path: Path) -> None:
    content = own(
        ["ann@nhs.net", "Ann", "", "form", THEN],
        ["", "No address"],
        ["no at sign"],
        ["ANN@nhs.net ", "Ann again"],
        ["b@nhs.net", "x" * 101],
        ["c@nhs.net", "C", "", "form", "yesterday"],
        ["d@nhs.net", "D", "", "form", "2030-01-01"],
        ["e@nhs.net", "E", "", "", "", "", "", "", "erased"],
        ["f@nhs.net", "F\x07"],
        ["g@nhs.net", "G", "", "form", THEN, "y" * 1001],
    ) + "h@nhs.net,H,a,b,c,d,e,f,g,too many\r\n"  # fmt: skip
    summary, reports = await run(database, tmp_path, content)
    assert summary.added == 1
    assert [(row, field) for row, field, _ in reports.rejects] == [
        (3, "email"), (4, "email"), (5, "email"), (6, "first_name"), (7, "consent_at"), (8, "consent_at"), (9, "status"),
        (10, "first_name"), (11, "join_reason"), (12, "row"),
    ]  # fmt: skip
    reasons = {row: reason for row, _, reason in reports.rejects}
    assert reasons[5] == "is the same address as in row 2; the first one counts"
    assert "UTF-8" in reasons[10]
    assert not any("nhs.net" in reason for row, reason in reasons.items() if row not in (3, 4))


async def test_a_character_that_no_database_takes_rejects_its_row_alone(database: Database, tmp_path: Path) -> None:
    people = [[f"p{number}@nhs.net", "Ann", "Somewhere"] for number in range(200)]
    people[150][1] = "A\x00nn"
    summary, reports = await run(database, tmp_path, own(*people))
    assert (summary.added, [(row, field) for row, field, _ in reports.rejects]) == (199, [(152, "first_name")])


async def test_the_rejected_rows_make_a_file_that_is_safe_to_open(database: Database, tmp_path: Path) -> None:
    rejects = tmp_path / "rejected.csv"
    options = ImportOptions(dry_run=True, rejects=rejects)
    await run(database, tmp_path, own(["=HYPERLINK(x)", "+1"], ["ann@nhs.net", "Ann"]), options=options)
    rows = list(csv.reader(io.StringIO(rejects.read_text(encoding="utf-8-sig"))))
    assert rows[0] == ["row", "field", "reason", *OWN]
    assert rows[1][:2] == ["2", "email"]
    assert rows[1][3:5] == ["'=HYPERLINK(x)", "'+1"]
    await run(database, tmp_path, own(["ann@nhs.net", "Ann"]), options=options)
    assert not rejects.exists()


async def test_consent_is_never_invented(database: Database, tmp_path: Path) -> None:
    content = own(
        ["a@nhs.net", "", "", "", "", "Why", "", "", "subscribed"],
        ["b@nhs.net", "", "", "form", ""],
        ["c@nhs.net", "", "", "", THEN],
        ["d@nhs.net", "", "", "form", THEN],
    )
    summary, reports = await run(database, tmp_path, content)
    statuses = [(await member(database, f"{name}@nhs.net")).status for name in "abcd"]
    assert statuses == ["pending", "pending", "pending", "subscribed"]
    assert [row for row, _ in reports.notes] == [2, 3, 3, 4, 4]
    assert summary.join_requests == 0
    mailchimp = [[*mailchimp_rows(1)[0]]]
    mailchimp[0][0] = "e@nhs.net"
    mailchimp[0][6] = mailchimp[0][8] = ""
    await run(database, tmp_path, as_csv(MAILCHIMP, mailchimp))
    assert (await member(database, "e@nhs.net")).status == MemberStatus.PENDING
    async with database.reading() as session:
        assert (await session.exec(select(func.count()).select_from(ConsentRecord))).one() == 1


async def test_nobody_who_left_or_must_not_be_mailed_is_subscribed_again(database: Database, tmp_path: Path) -> None:
    async with database.transaction() as session:
        for name, status in (("left", MemberStatus.UNSUBSCRIBED), ("bounced", MemberStatus.CLEANED), ("no", MemberStatus.DECLINED)):
            shape = MemberCreate(email=f"{name}@nhs.net", consent=ConsentGiven(source="test", at=NOW - timedelta(days=90)))
            person, _ = await record_member(session, shape, source="test", now=NOW)
            await set_status(session, person, status, source="test", now=NOW)

    async def stopped(_session: AsyncSession, keys: Sequence[str]) -> set[str]:
        return {"erased@nhs.net"} & set(keys)

    people = ("left", "bounced", "no", "erased")
    content = own(*([f"{name}@nhs.net", "Name", "", "form", "2026-07-08 07:59:59"] for name in people))
    summary, reports = await run(database, tmp_path, content, is_stopped=stopped)
    assert [(await member(database, f"{name}@nhs.net")).status for name in people[:3]] == ["unsubscribed", "cleaned", "declined"]
    assert (summary.added, summary.changed) == (0, 3)  # their names
    assert [(row, field) for row, field, _ in reports.rejects] == [(5, "email")]
    async with database.reading() as session:
        assert await find_member(session, "erased@nhs.net") is None


async def test_those_who_left_at_mailchimp_are_known_as_such_with_the_dates(database: Database, tmp_path: Path) -> None:
    for name, column in (("gone", "UNSUB_TIME"), ("bad", "CLEAN_TIME")):
        rows = [[*mailchimp_rows(1)[0], "2026-05-05 10:00:00"], [*mailchimp_rows(1)[0], ""]]
        rows[0][0], rows[1][0] = f"{name}@nhs.net", f"{name}2@nhs.net"
        await run(database, tmp_path, as_csv((*MAILCHIMP, column), rows))
    assert [(await member(database, f"{n}@nhs.net")).status for n in ("gone", "gone2", "bad", "bad2")] == [
        "unsubscribed", "unsubscribed", "cleaned", "cleaned",
    ]  # fmt: skip
    left = datetime(2026, 5, 5, 10, 0, tzinfo=UTC)
    async with database.reading() as session:
        counts = [await people_on_list(session, at) for at in (left - timedelta(seconds=1), left, NOW)]
    assert counts == [4, 2, 0]


async def test_leaving_elsewhere_ends_it_here_unless_consent_is_newer(database: Database, tmp_path: Path) -> None:
    await run(database, tmp_path, own(["ann@nhs.net", "", "", "form", THEN], ["bob@nhs.net", "", "", "form", THEN]))
    rows = [[*mailchimp_rows(1)[0], "2026-02-01 10:00:00"], [*mailchimp_rows(1)[0], "2026-04-01 10:00:00"]]
    rows[0][0], rows[1][0] = "ann@nhs.net", "bob@nhs.net"
    _, reports = await run(database, tmp_path, as_csv((*MAILCHIMP, "UNSUB_TIME"), rows))
    assert (await member(database, "ann@nhs.net")).status == MemberStatus.SUBSCRIBED
    assert (await member(database, "bob@nhs.net")).status == MemberStatus.UNSUBSCRIBED
    assert [row for row, _ in reports.notes] == [2]


async def test_a_reason_opens_a_join_request_once(database: Database, tmp_path: Path) -> None:
    reason, interests = "Falls at night\nand handover", "falls; handover ;falls"
    content = own(["ann@nhs.net", "Ann", "", "form", THEN, reason, interests, "Critical friends; chair"])
    await run(database, tmp_path, content)
    _, reports = await run(database, tmp_path, content)
    async with database.reading() as session:
        requests = (await session.exec(select(JoinRequest))).all()
    assert [(r.status, r.reason, r.confirmed_at) for r in requests] == [(JoinRequestStatus.OPEN, reason, NOW)]
    ann = await member(database, "ann@nhs.net")
    assert (ann.interests, ann.leadership_roles) == (["falls", "handover"], ["critical_friend"])
    assert [text for _, text in reports.notes] == ["a leadership role is not one of the seven groups: left out"]


async def test_blank_cells_erase_nothing_and_a_name_given_wins(database: Database, tmp_path: Path) -> None:
    await run(database, tmp_path, own(["ann@leedsth.nhs.uk", "Ann", "", "form", THEN, "", "falls"]))
    await run(database, tmp_path, own(["ann@leedsth.nhs.uk", "", "LTHT"]))
    ann = await member(database, "ann@leedsth.nhs.uk")
    assert (ann.first_name, ann.interests, ann.organisation_by_hand) == ("Ann", ["falls"], True)
    async with database.reading() as session:
        names = dict((await session.exec(select(Organisation.id, Organisation.name))).all())
        changes = (await session.exec(select(MemberChange).order_by(MemberChange.at, MemberChange.id))).all()
    assert names[ann.organisation_id] == "LTHT"
    assert [names[change.organisation_id] for change in changes] == ["leedsth.nhs.uk", "LTHT"]


async def test_a_pending_member_with_proof_in_the_file_is_subscribed(database: Database, tmp_path: Path) -> None:
    await run(database, tmp_path, own(["ann@nhs.net", "Ann"]))
    await run(database, tmp_path, own(["ann@nhs.net", "Ann", "", "form", THEN]))
    ann = await member(database, "ann@nhs.net")
    assert (ann.status, ann.consent_source) == (MemberStatus.SUBSCRIBED, "form")


async def test_an_import_that_broke_off_goes_on_and_adds_only_what_is_missing(database: Database, tmp_path: Path) -> None:
    content = mailchimp_csv(2_300) + mailchimp_csv(1).partition("\r\n")[2]  # row 2 once more, at the end
    asked = iter([False, True])
    first, _ = await run(database, tmp_path, content, should_stop=lambda: next(asked))
    assert (first.rows, first.total, first.finished) == (1_000, 2_301, False)
    rest, reports = await run(database, tmp_path, content, so_far=first)
    assert rest.finished
    assert (rest.rows, rest.added, rest.unchanged, rest.rejected) == (2_301, 2_300, 0, 1)
    assert reports.rejects[0][0] == 2_302
    again, _ = await run(database, tmp_path, content)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2_300)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04" + b"\x00" * 100, "Excel"),
        (b"\xd0\xcf\x11\xe0" + b"\x00" * 100, "Excel"),
        (b"\x1f\x8b\x08" + b"\x00" * 100, "compressed"),
        (b"%PDF-1.7", "PDF"),
        (b"a\x00b", "not text"),
        (b"", "empty"),
        (b"\xef\xbb\xbf\r\n\r\n", "empty"),
        (b"name;phone\r\nAnn;1", "email"),
        (b'email,name\nann@nhs.net,"An' + b"n\n" * 100_000, "never closed"),
    ],
)
async def test_what_is_no_list_of_members_is_refused_at_once(database: Database, tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        await run(database, tmp_path, content)
    assert await everything(database) == [[], [], [], [], []]


async def test_an_export_is_safe_to_open_and_comes_back_as_it_was(database: Database, tmp_path: Path) -> None:
    ann = ["ann@nhs.net", "'=1+1", "@Home", "form", THEN, "-why", "a;b", "critical_friend"]
    await run(database, tmp_path, own(ann, ["bob@nhs.net", "Bob"]))
    async with database.transaction() as session:
        ghost, _ = await record_member(session, MemberCreate(email="gone@nhs.net"), source="test", now=NOW)
        await set_status(session, ghost, MemberStatus.ERASED, source="test", now=NOW)
    assert (await member(database, "ann@nhs.net")).first_name == "=1+1"
    text = "".join([piece async for piece in export_members(database)])
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["email"] for row in rows] == ["ann@nhs.net", "bob@nhs.net"]
    assert (rows[0]["first_name"], rows[0]["organisation"], rows[0]["join_reason"]) == ("'=1+1", "'@Home", "'-why")
    assert rows[0]["consent_at"] == THEN
    before = await everything(database)
    summary, reports = await run(database, tmp_path, text)
    assert (summary.unchanged, summary.rejected, reports.notes) == (2, 0, [])
    assert await everything(database) == before


async def test_being_named_comes_in_with_its_proof_and_is_taken_back_but_never_made(database: Database, tmp_path: Path) -> None:
    columns = ("email", "consent_source", "consent_at", "may_be_named")
    named, unproven = ["asha@trust.nhs.uk", "paper form", THEN, "yes"], ["ben@trust.nhs.uk", "", "", "yes"]
    quiet = ["cara@trust.nhs.uk", "paper form", THEN, "no"]
    _, first = await run(database, tmp_path, as_csv(columns, [named, unproven, quiet]))
    assert any("may_be_named" in text for row, text in first.notes if row == 3)
    assert [(await member(database, row[0])).may_be_named for row in (named, unproven, quiet)] == [True, False, False]

    _, second = await run(database, tmp_path, as_csv(columns, [[*named[:3], "no"], [*quiet[:3], "yes"]]))
    assert [(await member(database, row[0])).may_be_named for row in (named, quiet)] == [False, False]
    assert any("only the person can agree again" in text for _, text in second.notes)
    async with database.reading() as session:
        query = select(ConsentRecord.given, ConsentRecord.source).where(ConsentRecord.purpose == "naming").order_by(ConsentRecord.id)
        assert list(await session.exec(query)) == [(True, "paper form"), (False, "import")]
    exported = "".join([piece async for piece in export_members(database)])
    assert "may_be_named" in exported.splitlines()[0]
