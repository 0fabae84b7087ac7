"""How recipients behave: repeatable, and in the shares that a real list has."""

from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from sandbox.merge import render
from sandbox.recipients import BEHAVIOURS, favourite_time, person, pinned, plan

NOON = datetime(2026, 3, 25, 12, 0, tzinfo=UTC).timestamp()


def test_a_plan_depends_on_seed_address_and_which_mail_it_is_alone() -> None:
    def one(seed: int, email: str, ordinal: int) -> list[object]:
        return list(plan(seed, email, ordinal, "campaign", NOON, person(seed, email, "people")))

    first = [one(1, f"p{n}@example.org", 1) for n in range(200)]
    assert first == [one(1, f"P{n}@Example.org", 1) for n in range(200)]
    assert first != [one(2, f"p{n}@example.org", 1) for n in range(200)]
    assert first != [one(1, f"p{n}@example.org", 2) for n in range(200)]


def test_the_mixture_is_that_of_a_real_list() -> None:
    counts: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    for n in range(4000):
        email = f"p{n}@org{n % 97}.example.org"
        steps = plan(1, email, 1, "campaign", NOON, person(1, email, "people"))
        counts.update({step.what for step in steps})
        labels.update({str(step.args["label"]) for step in steps if step.what == "open"})
    assert 0.005 < counts["bounce"] / 4000 < 0.04
    assert 0.15 < counts["scan"] / 4000 < 0.45
    assert 0.2 < labels["apple_proxy"] / 4000 < 0.4
    assert 0.2 < labels["human"] / 4000 < 0.5
    assert 0.1 < counts["click"] / 4000 < 0.4
    assert 0 < counts["unsub"] < 60
    assert counts["complain"] < 12


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("bounce+ann@example.org", {"bounce"}),
        ("ann+scanner+clicks@example.org", {"scanner", "clicks"}),
        ("SILENT+ann@example.org", {"silent"}),
        ("bounce@example.org", set()),
        ("ann+news@example.org", set()),
    ],
)
def test_behaviour_is_pinned_by_a_word_between_plus_signs(address: str, expected: set[str]) -> None:
    assert pinned(address) == expected


@pytest.mark.parametrize("pin", sorted(BEHAVIOURS))
def test_a_pinned_person_does_the_same_whatever_the_seed(pin: str) -> None:
    kinds = set()
    for seed in range(5):
        email = f"ann+{pin}@example.org"
        steps = plan(seed, email, 1, "transactional", NOON, person(seed, email, "people"))
        kinds.add(tuple(sorted({step.what for step in steps})))
    assert len(kinds) == 1


def test_people_open_at_their_hours_in_london_time() -> None:
    for draw in (0.1, 0.5, 0.7):
        at = favourite_time((9, 17), NOON, draw)
        local = datetime.fromtimestamp(at, ZoneInfo("Europe/London"))
        assert at > NOON
        assert local.hour in (9, 17)
        assert local.weekday() < 5


def test_scanners_come_within_seconds_and_people_later() -> None:
    email = "ann+scanner+clicks@example.org"
    steps = plan(1, email, 1, "campaign", NOON, person(1, email, "people"))
    assert steps[0].what == "scan"
    assert steps[0].due - NOON < 10
    assert all(step.due - NOON > 60 for step in steps[1:])


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("Hi *|FNAME|*", {"FNAME": "Ann"}, "Hi Ann"),
        ("Hi *|IF:FNAME|**|FNAME|**|ELSE:|*friend*|END:IF|*!", {"FNAME": ""}, "Hi friend!"),
        ("*|IF:ROLE=lead|*A*|ELSEIF:ROLE=member|*B*|ELSE:|*C*|END:IF|*", {"ROLE": "member"}, "B"),
        ("*|IFNOT:ROLE|*none*|END:IF|*", {"ROLE": ""}, "none"),
        ("*|INTERESTED:Topics:Falls,Sleep|*yes*|ELSE:|*no*|END:INTERESTED|*", {"INTERESTS": "sleep"}, "yes"),
        ("*|IF:A|*a*|IF:B|*b*|END:IF|**|END:IF|*", {"A": "1", "B": "1"}, "ab"),
        ("*|NOSUCH|*", {}, "*|NOSUCH|*"),
        ("*|IF:AGE >= 40|*old*|ELSE:|*young*|END:IF|*", {"AGE": "39"}, "young"),
    ],
)
def test_merge_tags(text: str, values: dict[str, str], expected: str) -> None:
    assert render(text, values) == expected


def test_unknown_tags_vanish_in_one_to_one_mail() -> None:
    assert render("Hi *|NOSUCH|*!", {}, blank_unknown=True) == "Hi !"
