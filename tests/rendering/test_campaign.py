"""The newsletter as a Mailchimp campaign, and as one member sees it."""

import re

import pytest

from service.rendering import Renderer, RenderingError, as_member
from tests.rendering.conftest import sample
from tests.rendering.html import Page

FIELDS = {
    "FNAME": "Asha",
    "GRP1": "yes",
    "PREFS": "https://c.org/p",
    "UNSUB": "https://c.org/u",
    "ARCHIVE": "https://c.org/a",
    "LIST:ADDRESS": "1 Street",
}


def test_what_mailchimp_insists_on_is_in_both_parts(renderer: Renderer) -> None:
    made = renderer.campaign("newsletter", sample("newsletter"))
    assert 'href="*|UNSUB|*"' in made.html
    assert "*|HTML:LIST_ADDRESS_HTML|*" in made.html
    assert "*|UNSUB|*" in made.text
    assert "*|LIST:ADDRESS|*" in made.text


def test_only_known_merge_tags_go_out(renderer: Renderer) -> None:
    made = renderer.campaign("newsletter", sample("newsletter"))
    known = {"IF:FNAME", "FNAME", "ELSE:", "END:IF", "IF:GRP1", "PREFS", "UNSUB", "ARCHIVE", "HTML:LIST_ADDRESS_HTML", "LIST:ADDRESS"}
    for part in (made.html, made.text):
        assert set(re.findall(r"\*\|(.*?)\|\*", part)) <= known
        assert part.count("*|IF:") == part.count("*|END:IF|*")


def test_tracking_is_told_where_there_is_any(renderer: Renderer) -> None:
    measured = renderer.campaign("newsletter", sample("newsletter"))
    assert "We count opens and clicks" in measured.html
    assert "We count opens and clicks" in measured.text
    unmeasured = renderer.campaign("newsletter", sample("newsletter") | {"measured": False})
    assert "We count" not in unmeasured.html + unmeasured.text


def test_a_member_sees_their_name_and_what_they_are_interested_in(renderer: Renderer) -> None:
    made = as_member(renderer.campaign("newsletter", sample("newsletter")), FIELDS)
    for part in (Page(made.html).text, made.text):
        assert "Dear Asha," in part
        assert "Hello," not in part
        assert "Bed rails" in part
        assert "*|" not in part
    assert "https://c.org/u" in Page(made.html).links


def test_a_stranger_sees_no_personal_part(renderer: Renderer) -> None:
    made = as_member(renderer.campaign("newsletter", sample("newsletter")), {})
    for part in (Page(made.html).text, made.text):
        assert "Hello," in part
        assert "Dear" not in part
        assert "Bed rails" not in part
        assert "*|" not in part
    assert Page(made.html).faults == []


def test_a_name_in_a_preview_is_escaped_and_no_tag(renderer: Renderer) -> None:
    made = as_member(renderer.campaign("newsletter", sample("newsletter")), FIELDS | {"FNAME": "<b>*|UNSUB|*"})
    assert "<b>" not in made.html
    assert not Page(made.html).attributes("b")


@pytest.mark.parametrize("name", ["falls", "A B", "X|*", "", "TOO_LONG_FOR_A_FIELD", "1ST", 7])
def test_an_interest_must_be_a_merge_field(name: object, renderer: Renderer) -> None:
    pick = sample("newsletter")["picks"][0] | {"field": name}
    with pytest.raises(RenderingError, match="interest"):
        renderer.campaign("newsletter", sample("newsletter") | {"picks": [pick]})


def test_a_letter_can_go_as_a_campaign_too(renderer: Renderer) -> None:
    from service.rendering import View

    made = renderer.letter("nudge", renderer.draft("nudge", sample("nudge"), language="en"), language="en", view=View.CAMPAIGN)
    assert 'href="*|UNSUB|*"' in made.html
    assert "*|HTML:LIST_ADDRESS_HTML|*" in made.html
    assert "1 Example Street" not in made.html


def test_a_long_edition_stays_under_gmails_limit(renderer: Renderer) -> None:
    item = sample("newsletter")["items"][0] | {
        "summary": "A rather long summary with many words. " * 15,
        "why_now": "Because of this. " * 8,
    }
    content = {
        "items": [item] * 6,
        "lead": item,
        "intro": "Word " * 900,
        "announcements": [item] * 2,
        "events": sample("newsletter")["events"] * 4,
    }
    assert len(renderer.campaign("newsletter", sample("newsletter") | content).html.encode()) < 80 * 1024
