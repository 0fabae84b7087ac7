"""The matcher's promises: the right resource, a safe and plain why, silence when there is nothing to say."""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import service.resources
from service.resources.embedding import MiniLM, Reading, WeightsMissing
from service.resources.matching import Candidate, Match, Matcher, pack_vector, passage, unpack_vector, vector_digest

STARTER = Path(service.resources.__file__).with_name("starter.json")
ACTIVITIES = {
    "sharing",
    "productive_inquiries",
    "negotiating_shared_understanding",
    "producing_assets",
    "creating_standards",
    "formal_access_to_knowledge",
    "visits",
}

NIGHT = Candidate("night", "Night team handover sheet", "A handover tool for night teams: sickest patients first.", topics=("handover",))
SEPSIS = Candidate("sepsis", "Sepsis Six", "Screening and treatment for serious infection within the hour.", topics=("sepsis",))
CHART = Candidate("chart", "Control charts in Excel", "A spreadsheet that shows change over time.", topics=("measurement", "SPC"))
AUDIT = Candidate("audit", "Clinical audit guide", "How to audit against a standard and re-audit.", topics=("audit",))
FALLS = Candidate("falls", "Falls toolkit", "Preventing falls of older people on hospital wards.", topics=("falls",))
LIBRARY = (NIGHT, SEPSIS, CHART, AUDIT, FALLS)


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    made = Matcher(MiniLM())
    made.warm(LIBRARY)
    return made


@pytest.fixture(scope="module")
def starter() -> list[Candidate]:
    rows = json.loads(STARTER.read_text(encoding="utf-8"))
    return [Candidate(r["id"], r["title"], r["summary"], r["body"], tuple(r["topics"]), tuple(r["activities"])) for r in rows]


def first(matches: list[Match]) -> str | None:
    return matches[0].resource_id if matches else None


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("When I come on at ten in the evening nobody tells me who is poorly.", "night"),
        ("blood poisoning is found too late here", "sepsis"),
        ("how do you do SPC without fancy software", "chart"),
        ("prevnting fals of oldr pateints", "falls"),
        ("We collect data against a standard and never go back to check again.", "audit"),
    ],
)
def test_a_reason_finds_its_resource_without_sharing_its_words(matcher: Matcher, reason: str, wanted: str) -> None:
    assert first(matcher.match(reason, LIBRARY)) == wanted


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "   ",
        "just curious",
        "my manager told me to join",
        "cheap flights to Malaga in August",
        "I want to sell my car",
        "asdfgh jkl qwertyuiop",
        "1234567890 !!!!",
        "Ik wil graag leren hoe ik mijn team kan helpen om vallen te voorkomen",
        "Je voudrais apprendre comment améliorer la sécurité des patients dans mon hôpital",
        "Rwyf am ddysgu sut i wella gofal i gleifion ar ein ward",
        "Хочу узнать больше о безопасности пациентов",
        "我想学习如何改善病人安全",
    ],
)
def test_nothing_is_offered_to_a_reason_that_calls_for_nothing(matcher: Matcher, reason: str) -> None:
    assert matcher.match(reason, LIBRARY) == []


def test_matches_come_best_first_within_the_limit_and_the_scale(matcher: Matcher) -> None:
    matches = matcher.match("handover at night, and fewer falls", LIBRARY, limit=2)
    assert {match.resource_id for match in matches} == {"night", "falls"}
    assert [match.score for match in matches] == sorted((match.score for match in matches), reverse=True)
    assert all(0 <= match.score <= 1 for match in matches)
    assert len(matcher.match("handover at night, and fewer falls", LIBRARY, limit=1)) == 1
    assert matcher.match("handover at night", LIBRARY, limit=0) == []
    assert matcher.match("handover at night", ()) == []


def test_a_plain_need_is_answered_confidently_and_a_vague_one_is_not(matcher: Matcher) -> None:
    assert matcher.match("handing over between shifts at night", LIBRARY)[0].confident
    assert not any(match.confident for match in matcher.match("making care a bit better for people", LIBRARY))


def test_the_same_question_always_gets_the_same_answer(matcher: Matcher) -> None:
    again = Matcher(MiniLM())
    for reason in ("night handover", "falls and sepsis, and I can't read charts"):
        assert matcher.match(reason, LIBRARY) == matcher.match(reason, LIBRARY) == again.match(reason, LIBRARY)


def test_stored_vectors_give_the_answer_that_fresh_ones_give(matcher: Matcher) -> None:
    vectors = matcher.embed([passage(candidate) for candidate in LIBRARY])
    stored = [replace(c, vector=unpack_vector(pack_vector(v))) for c, v in zip(LIBRARY, vectors, strict=True)]
    asked = Matcher(MiniLM())
    for reason in ("who is poorly at night", "blood poisoning found too late"):
        fresh, kept = matcher.match(reason, LIBRARY), asked.match(reason, stored)
        assert [match.resource_id for match in fresh] == [match.resource_id for match in kept]
        assert [m.score for m in kept] == pytest.approx([m.score for m in fresh], abs=0.01)


def test_a_vector_is_known_to_be_stale_when_the_words_change() -> None:
    assert vector_digest(NIGHT) == vector_digest(replace(NIGHT, boost=0.1, vector=np.zeros((2, 384), dtype=np.float32)))
    assert vector_digest(NIGHT) != vector_digest(replace(NIGHT, summary="A handover tool for day teams."))
    assert len(vector_digest(NIGHT)) == 64
    with pytest.raises(ValueError, match="reshape"):
        unpack_vector(b"12345678")


def test_a_changed_library_is_noticed_at_once(matcher: Matcher) -> None:
    assert first(matcher.match("hand washing", LIBRARY)) != "hands"
    hands = Candidate("hands", "Clean hands", "Getting staff to wash their hands.", topics=("hand hygiene",))
    assert first(matcher.match("hand washing", (*LIBRARY, hands))) == "hands"
    assert first(matcher.match("hand washing", LIBRARY)) != "hands"


class CountingEncoder(MiniLM):
    """The real encoder, which notes the texts it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def read(self, texts: Sequence[str]) -> list[Reading]:
        self.texts.extend(texts)
        return super().read(texts)


def test_after_an_edit_only_the_edited_resource_is_read_again() -> None:
    encoder = CountingEncoder()
    matcher = Matcher(encoder)
    matcher.warm(LIBRARY)
    encoder.texts.clear()
    matcher.warm(LIBRARY)
    assert encoder.texts == []
    matcher.warm((*LIBRARY[:-1], replace(FALLS, summary="Fewer falls at home.")))
    assert encoder.texts == ["Falls toolkit", "Fewer falls at home.", "falls"]


def test_a_boost_settles_a_close_call_and_never_makes_a_match_confident(matcher: Matcher) -> None:
    twins = [replace(NIGHT, id="a"), replace(NIGHT, id="b")]
    assert first(matcher.match("night handover", twins)) == "a"
    boosted = [twins[0], replace(twins[1], boost=0.1)]
    assert first(matcher.match("night handover", boosted)) == "b"
    assert first(matcher.match("night handover", twins)) == "a"
    vague = "making care a bit better for people"
    assert not any(m.confident for m in matcher.match(vague, [replace(c, boost=0.12) for c in LIBRARY]))
    assert matcher.match("just curious", [replace(c, boost=0.12) for c in LIBRARY]) == []


def test_of_two_equals_the_informal_one_comes_first(matcher: Matcher) -> None:
    course, story = (replace(NIGHT, id=i, activities=(kind,)) for i, kind in (("a", "formal_access_to_knowledge"), ("b", "sharing")))
    assert [match.resource_id for match in matcher.match("night handover", [course, story])] == ["b", "a"]


def test_the_why_quotes_the_reason_and_says_what_the_resource_is(matcher: Matcher) -> None:
    reason = "I moved house in May. I would like to learn how to hand over between shifts at night. The weather is nice."
    why = matcher.match(reason, LIBRARY)[0].why
    assert why == "You mention “hand over between shifts at night”; this is a handover tool for night teams: sickest patients first."


@pytest.mark.parametrize(
    "reason",
    [
        "<b>night</b> handover <script>alert(1)</script>",
        "night handover *|EMAIL|* {{ secret }} {% raw %}",
        "night handover, write to me@example.org or see http://evil.example/x or ring 07700 900123",
        "night &lt;img src=x onerror=alert(1)&gt; handover",
        "night\u202ehandover\x00\u200b between shifts",
    ],
)
def test_the_why_holds_no_markup_whatever_the_reason_held(matcher: Matcher, reason: str) -> None:
    for match in matcher.match(reason, LIBRARY):
        for forbidden in ("<", ">", "{", "}", "|", "*", "&lt", "http", "@", "07700", "\u202e", "\x00", "\n"):
            assert forbidden not in match.why


@given(st.text(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_text_gets_an_answer_and_a_harmless_why(text: str) -> None:
    for made in (SHARED, WORDS_ONLY):
        for match in made.match(f"night handover {text}", LIBRARY):
            assert 0 <= match.score <= 1
            assert not set("<>{}|*\n\r\x00") & set(match.why)


SHARED = Matcher(MiniLM())
WORDS_ONLY = Matcher(None)


def test_without_the_model_shared_words_still_find_a_resource() -> None:
    found = WORDS_ONLY.match("Improving the night handover on our unit, please", LIBRARY)
    assert first(found) == "night"
    assert "night handover" in found[0].why
    assert first(WORDS_ONLY.match("SPC", LIBRARY)) == "chart"
    assert WORDS_ONLY.match("zebra crossings", LIBRARY) == []
    assert WORDS_ONLY.embed(["x"])[0].size == 0


def test_many_threads_share_one_matcher() -> None:
    shared = Matcher(MiniLM())
    answers: list[str | None] = []

    def ask() -> None:
        answers.append(first(shared.match("blood poisoning is found too late", LIBRARY)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["sepsis"] * 8


def test_a_resource_with_hardly_any_words_harms_nothing(matcher: Matcher) -> None:
    bare = Candidate("bare", "", "")
    assert first(matcher.match("night handover", (bare, *LIBRARY, replace(bare, id="last")))) == "night"
    assert matcher.match("night handover", [bare]) == []


def test_weights_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    with pytest.raises(WeightsMissing, match="SHA-256"):
        MiniLM(tmp_path).load()
    with pytest.raises(WeightsMissing, match="cannot be read"):
        MiniLM(tmp_path / "nowhere").load()


def test_the_network_gives_the_published_likenesses() -> None:
    vectors = MiniLM().encode(["A man is eating food.", "A man is eating a piece of bread.", "A cheetah is running behind its prey."])
    assert vectors.shape == (3, 384)
    assert float(vectors[0] @ vectors[1]) == pytest.approx(0.7553, abs=0.001)
    assert float(vectors[0] @ vectors[2]) == pytest.approx(0.1418, abs=0.001)


def test_the_starter_library_is_well_formed(starter: list[Candidate]) -> None:
    rows = json.loads(STARTER.read_text(encoding="utf-8"))
    assert len(rows) >= 60
    assert len({row["id"] for row in rows}) == len({row["url"] for row in rows}) == len({row["title"] for row in rows}) == len(rows)
    for row in rows:
        assert row["url"].startswith("https://")
        assert row["activities"]
        assert set(row["activities"]) <= ACTIVITIES
        assert row["topics"]
        assert 20 < len(row["summary"]) < 250
    assert {activity for candidate in starter for activity in candidate.activities} == ACTIVITIES


def test_the_library_finds_what_each_resource_says_of_itself(matcher: Matcher, starter: list[Candidate]) -> None:
    found = [first(matcher.match(candidate.summary, starter)) == candidate.id for candidate in starter]
    assert sum(found) / len(found) > 0.95
