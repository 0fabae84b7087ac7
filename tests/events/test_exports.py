import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput
from service.events.exports import read_attendees
from service.events.rules import Attendee, one_each

TEAMS = (
    "1. Summary\n"
    "Meeting title\tFalls huddle\n"
    "Attended participants\t3\n"
    "Start time\t7/8/26, 10:00:11 AM\n"
    "Average attendance time\t41m 3s\n"
    "\n"
    "2. Participants\n"
    "Name\tFirst Join\tLast Leave\tIn-Meeting Duration\tEmail\tParticipant ID (UPN)\tRole\n"
    "Ann Löw\t7/8/26, 10:00:11 AM\t7/8/26, 11:00:00 AM\t59m 49s\tann@trust.nhs.uk\tann@trust.nhs.uk\tOrganizer\n"
    "Ben Hay (External)\t7/8/26, 10:02:00 AM\t7/8/26, 10:40:00 AM\t38m\t\tben@council.gov.uk\tPresenter\n"
    "Cy Unknown (Unverified)\t7/8/26, 10:05:00 AM\t7/8/26, 10:30:00 AM\t25m\t\t\tAttendee\n"
    "\n"
    "3. In-Meeting Activities\n"
    "Name\tJoin Time\tLeave Time\tDuration\tEmail\tRole\n"
    "Ann Löw\t7/8/26, 10:00:11 AM\t7/8/26, 10:20:00 AM\t20m\tann@trust.nhs.uk\tOrganizer\n"
    "Ann Löw\t7/8/26, 10:21:00 AM\t7/8/26, 11:00:00 AM\t39m\tann@trust.nhs.uk\tOrganizer\n"
    "Ben Hay (External)\t7/8/26, 10:02:00 AM\t7/8/26, 10:40:00 AM\t38m\tben@council.gov.uk\tPresenter\n"
    "Cy Unknown (Unverified)\t7/8/26, 10:05:00 AM\t7/8/26, 10:30:00 AM\t25m\t\tAttendee\n"
)
OLD_TEAMS = (
    "Full Name\tUser Action\tTimestamp\n"
    "Ann Löw\tJoined\t8/7/2026, 10:00\n"
    "Ann Löw\tLeft\t8/7/2026, 10:30\n"
    "Ben Hay\tJoined before\t8/7/2026, 10:00\n"
)
ZOOM = (
    "Meeting ID,Topic,Start Time,End Time,User Email,Duration (Minutes),Participants\n"
    "852 1848 6288,Falls huddle,07/08/2026 10:00:00 AM,07/08/2026 11:00:00 AM,host@trust.nhs.uk,60,4\n"
    "\n"
    "Name (Original Name),User Email,Join Time,Leave Time,Duration (Minutes),Guest,Recording Consent,In Waiting Room\n"
    '"Low, Ann",ann@trust.nhs.uk,07/08/2026 10:00:00 AM,07/08/2026 10:20:00 AM,20,No,,No\n'
    '"Low, Ann",ann@trust.nhs.uk,07/08/2026 10:21:00 AM,07/08/2026 11:00:00 AM,39,No,,No\n'
    "Ben (Ben Hay),,07/08/2026 10:00:00 AM,07/08/2026 11:00:00 AM,60,Yes,,No\n"
    "Waited Only,w@x.org,07/08/2026 09:58:00 AM,07/08/2026 10:00:00 AM,2,Yes,,Yes\n"
)
WEBINAR = (
    "Attendee Report\n"
    "Report Generated:,07/09/2026 08:00:00 AM\n"
    "Topic,Webinar ID,Actual Start Time,Actual Duration (minutes),# Registered\n"
    "Falls,987,07/08/2026 10:00:00 AM,60,3\n"
    "Host Details,\n"
    "Attended,User Name (Original Name),Email,Join Time,Leave Time,Time in Session (minutes),Is Guest,Country/Region Name\n"
    "Yes,Host Person,host@trust.nhs.uk,a,b,60,No,UK\n"
    "Attendee Details,\n"
    "Attended,User Name (Original Name),First Name,Last Name,Email,Registration Time,Approval Status,Join Time,Leave Time\n"
    "Yes,Ann Low,Ann,Low,ann@trust.nhs.uk,t,approved,a,b\n"
    "No,Stayed Away,Stayed,Away,away@x.org,t,approved,--,--\n"
)


def emails(content: bytes) -> list[str]:
    return [a.email for a in one_each(read_attendees(content).attendees)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
def test_a_teams_export_is_read_as_it_is(encoding: str) -> None:
    people = one_each(read_attendees(TEAMS.encode(encoding)).attendees)
    assert [(a.email, a.name) for a in people] == [
        ("ann@trust.nhs.uk", "Ann Löw"),
        ("ben@council.gov.uk", "Ben Hay (External)"),
        ("", "Cy Unknown (Unverified)"),
    ]


def test_an_old_teams_export_has_names_alone() -> None:
    assert one_each(read_attendees(OLD_TEAMS.encode("utf-16")).attendees) == [Attendee("", "Ann Löw"), Attendee("", "Ben Hay")]


def test_a_zoom_report_leaves_out_the_host_line_and_the_waiting_room() -> None:
    people = one_each(read_attendees(ZOOM.encode("utf-8-sig")).attendees)
    assert people == [Attendee("ann@trust.nhs.uk", "Low, Ann"), Attendee("", "Ben (Ben Hay)")]


def test_a_webinar_report_counts_who_attended_not_who_registered() -> None:
    assert emails(WEBINAR.encode()) == ["host@trust.nhs.uk", "ann@trust.nhs.uk"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_plain_list_with_any_separator_is_read(separator: str) -> None:
    text = "\r\n".join(
        separator.join(row) for row in [("Email Address", "First Name", "Last name"), ("a@x.org", "Zoë", "Low"), ("", "", "")]
    )
    assert read_attendees(text.encode("cp1252")).attendees == [Attendee("a@x.org", "Zoë Low")]


def test_one_column_of_addresses_is_enough() -> None:
    assert emails(b"email\na@x.org\nb@x.org\n") == ["a@x.org", "b@x.org"]


def test_a_numbered_list_of_names_is_no_list_of_sections() -> None:
    assert len(read_attendees(b"name\n1. Ann Low\n2. Ben Hay\n").attendees) == 2


def test_rows_that_name_nobody_are_counted() -> None:
    found = read_attendees(b"email,name,ward\na@x.org,Ann,1\nnot an address,,2\n")
    assert (len(found.attendees), found.rows_left_out) == (1, 1)


def test_an_address_that_is_none_leaves_the_name() -> None:
    assert read_attendees(b"email,name\nn/a,Ann Low\n").attendees == [Attendee("", "Ann Low")]


@pytest.mark.parametrize("content", [b"", b"hello\nworld\n", b"\xff\xfe", b"ward,bed\n1,2\n"])
def test_a_file_without_people_is_refused_with_the_mend(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="header row with email, name or both"):
        read_attendees(content)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"email,name\n{text}".encode()))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        found = read_attendees(content)
    except InvalidInput:
        return
    assert all(a.email or a.name for a in found.attendees)
