import random
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.newsletter.composition import Candidate, ClickHistory, PastEdition, Proposal, Readers, compose
from service.newsletter.rules import ContentKind
from tests.fakes import NOW

K = ContentKind
WORDS = ["falls", "sepsis", "huddle", "audit", "handover", "delirium", "frailty", "hydration", "wound", "pharmacy", "discharge", "triage"]


def item(name: str, kind: ContentKind = K.CONTENT, *, days: float = 1, **more: object) -> Candidate:
    return Candidate(id=name, kind=kind, title=f"All about {name}", since=NOW - timedelta(days=days), **more)  # type: ignore[arg-type]


def propose(
    *items: Candidate, past: tuple[PastEdition, ...] = (), readers: Readers | None = None, clicks: ClickHistory | None = None
) -> Proposal:
    return compose(items, past_editions=past, now=NOW, readers=readers or Readers(), clicks=clicks or ClickHistory())


def test_the_freshest_leads_when_nothing_else_differs() -> None:
    found = propose(item("falls", days=9), item("sepsis", days=2))
    assert found.lead.item_id == "sepsis"
    assert [c.item_id for c in found.items] == ["falls"]
    assert found.lead.why == ("It is 2 days old.",)


def test_an_announcement_never_leads() -> None:
    found = propose(item("closure", K.ANNOUNCEMENT))
    assert found.lead is None
    assert [c.item_id for c in found.announcements] == ["closure"]


def test_what_readers_care_for_beats_a_few_days_of_age() -> None:
    readers = Readers(total=100, interests={"falls": 60, "dental": 2})
    found = propose(item("drop", days=5, topics=("Falls",)), item("teeth", days=1, topics=("dental",)), readers=readers)
    assert found.lead.item_id == "drop"
    assert "60% of readers named an interest in Falls." in found.lead.why


def test_what_readers_click_counts() -> None:
    clicks = ClickHistory(by_topic={"falls": 0.2, "dental": 0.01})
    found = propose(item("drop", days=3, topics=("Falls",)), item("teeth", days=3, topics=("dental",)), clicks=clicks)
    assert found.lead.item_id == "drop"
    assert "Readers clicked on items like this one more than on most." in found.lead.why


def test_a_kind_that_led_every_week_gives_way() -> None:
    past = tuple(PastEdition(n, K.CONTENT, (K.CONTENT,), ("sharing",)) for n in (9, 8, 7, 6))
    found = propose(item("report", days=1), item("question", K.DISCUSSION, days=3), past=past)
    assert found.lead.item_id == "question"
    assert "None of the last 4 editions was led by a discussion." in found.lead.why


def test_an_activity_missing_of_late_is_favoured() -> None:
    past = tuple(PastEdition(n, K.DISCUSSION, (K.CONTENT,), ("sharing",)) for n in (9, 8))
    shared, visit = item("report", activities=("sharing",)), item("ward", activities=("visits",), days=2)
    assert propose(shared, visit, past=past).lead.item_id == "ward"


def test_items_mix_kinds() -> None:
    many = [item(WORDS[n], K.CONTENT, days=1 + n / 10) for n in range(7)]
    found = propose(*many, item("question", K.DISCUSSION, days=6), item("visit", K.ACTIVITY, days=6))
    kinds = {c.item_id for c in found.items[:2]}
    assert kinds == {"question", "visit"}


def test_near_duplicates_and_old_items_stay_out_and_say_why() -> None:
    twin = Candidate("twin", K.CONTENT, "More about the falls", NOW - timedelta(days=4))
    old = item("old", days=91)
    found = propose(Candidate("first", K.CONTENT, "More about falls", NOW - timedelta(days=1)), twin, old)
    assert "same story" in found.left_out["twin"]
    assert "recycle" in found.left_out["old"]


def test_a_recycled_item_says_so() -> None:
    found = propose(item("falls", used_in=("3", "9")))
    assert "It is recycled from edition 3; its date is shown." in found.lead.why


@given(
    st.lists(st.tuples(st.sampled_from(list(K)), st.floats(0, 200), st.integers(0, 2**20)), max_size=25), st.randoms(use_true_random=False)
)
def test_whatever_comes_in_the_limits_hold_and_order_changes_nothing(rows: list[tuple[K, float, int]], shuffle: random.Random) -> None:
    items = [Candidate(str(n), kind, f"title {word} {n}", NOW - timedelta(days=days)) for n, (kind, days, word) in enumerate(rows)]
    found = propose(*items)
    shuffled = list(items)
    shuffle.shuffle(shuffled)
    assert propose(*shuffled) == found
    chosen = [c.item_id for c in (*([found.lead] if found.lead else []), *found.items, *found.announcements)]
    assert len(chosen) == len(set(chosen))
    assert len(found.items) <= 6
    assert sorted([*chosen, *found.left_out]) == sorted(i.id for i in items)
    assert all(0 <= c.score <= 1 for c in found.items)
