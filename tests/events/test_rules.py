from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.events.rules import Attendee, address_key, folded_name, looks_like_address, name_key, one_each, person_key, signal_key

ANN = UUID(int=1)
BEN = UUID(int=2)


def test_one_person_who_joined_three_times_counts_once() -> None:
    rows = [Attendee("a@x.org", "Ann"), Attendee("A@X.org ", ""), Attendee("a@x.org", "Ann B")]
    assert one_each(rows) == [Attendee("a@x.org", "Ann")]


def test_a_row_with_a_name_alone_belongs_to_the_one_person_of_that_name() -> None:
    assert one_each([Attendee("", "Ann Low (Guest)"), Attendee("a@x.org", "ann  low")]) == [Attendee("a@x.org", "ann  low")]


def test_a_name_that_two_people_share_stays_a_person_of_its_own() -> None:
    rows = [Attendee("a@x.org", "Ann"), Attendee("b@x.org", "Ann"), Attendee("", "Ann")]
    assert one_each(rows) == rows


def test_a_member_counts_once_whatever_address_they_used() -> None:
    rows = [Attendee("a@x.org", "Ann", ANN), Attendee("other@x.org", "Ann", ANN), Attendee("", "", BEN)]
    assert [a.member_id for a in one_each(rows)] == [ANN, BEN]


def test_the_meeting_tools_remarks_are_no_part_of_a_name() -> None:
    assert folded_name(" Ann  LOW (External) (Guest)") == "ann low"
    assert folded_name("Ann (Anna) Low") == "ann (anna) low"


@pytest.mark.parametrize(
    ("text", "is_one"), [("a@b.org", True), ("a b@c.org", False), ("a@b", False), ("@b.org", False), ("a@b@c.org", False)]
)
def test_what_looks_like_an_address(text: str, is_one: bool) -> None:
    assert looks_like_address(text) is is_one


def test_keys_fit_their_column_and_don_t_meet() -> None:
    keys = [person_key(Attendee("a@x.org")), person_key(Attendee("", "a@x.org")), person_key(Attendee("", "", ANN)), signal_key(ANN, BEN)]
    assert all(len(key) <= 64 for key in keys)
    assert len(set(keys)) == 4
    assert address_key(" A@x.ORG") == address_key("a@x.org")
    assert name_key("Ann Low (Guest)") == name_key("ann low")


people = st.builds(
    Attendee,
    email=st.sampled_from(["", "a@x.org", "A@x.org", "b@x.org"]),
    name=st.sampled_from(["Ann", "ann ", "Ben", "Cy"]),
    member_id=st.sampled_from([None, None, ANN, BEN]),
)


@given(st.lists(people, max_size=12))
def test_listing_each_once_is_stable(rows: list[Attendee]) -> None:
    once = one_each(rows)
    assert one_each(once) == once
    keys = [person_key(a) for a in once]
    assert len(set(keys)) == len(keys)
    assert {person_key(a) for a in rows if a.email or a.member_id} <= set(keys)
