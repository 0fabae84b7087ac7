"""What must hold for each kind of mail, also for one that somebody adds tomorrow."""

import html as htmllib
import re
from typing import Any

import pytest

from service.errors import NotFound
from service.rendering import Community, Renderer, RenderingError, View
from tests.rendering.conftest import KINDS, MEMBERS, PREFERENCES, TEMPLATES, UNSUBSCRIBE, Mail, sample
from tests.rendering.html import Page

TO_MEMBERS = {
    "event_change",
    "event_follow_up",
    "event_reminder",
    "invitation",
    "newsletter",
    "nudge",
    "question",
    "role_note",
    "story_request",
    "sunset",
    "welcome",
    "welcome_follow_up",
}
SMALL_ENOUGH_FOR_GMAIL = 102 * 1024

every_kind = pytest.mark.parametrize("kind", KINDS)


def test_every_folder_is_a_kind(renderer: Renderer) -> None:
    assert list(renderer.kinds()) == KINDS


@every_kind
def test_the_html_is_well_formed_and_says_its_language(kind: str, mail: Mail) -> None:
    made = mail(kind)
    page = Page(made.html)
    assert page.faults == []
    assert page.attributes("html")[0]["lang"] == "en-GB"
    assert page.attributes("html")[0]["dir"] == "ltr"
    first_in_body = page.elements[next(n for n, (tag, _) in enumerate(page.elements) if tag == "body") + 1 :]
    assert any(attributes.get("lang") == "en-GB" and attributes.get("dir") == "ltr" for _, attributes in first_in_body[:2])
    assert f"<title>{htmllib.escape(made.subject, quote=False)}</title>" in made.html.replace("&#39;", "'")


@every_kind
def test_tables_are_for_layout_only_and_headings_go_down_in_steps(kind: str, mail: Mail, renderer: Renderer) -> None:
    page = Page(mail(kind).html)
    assert all(table.get("role") == "presentation" for table in page.attributes("table"))
    if kind not in renderer.letters():  # a letter from a person needs no heading
        assert page.headings[0] == 1
        assert page.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(page.headings, page.headings[1:], strict=False))


@every_kind
def test_pictures_have_an_alternative_and_nothing_is_fetched_for_type_or_style(kind: str, mail: Mail) -> None:
    made = mail(kind)
    page = Page(made.html)
    assert all(picture.get("alt") is not None for picture in page.attributes("img"))
    assert not page.attributes("link")
    assert "@import" not in made.html
    assert "@font-face" not in made.html
    assert not page.attributes("script")


@every_kind
@pytest.mark.parametrize("view", list(View))
def test_both_parts_have_the_same_links(kind: str, view: View, mail: Mail) -> None:
    made = mail(kind, view)
    links = Page(made.html).links
    assert all(links), "a link without an address"
    assert [address for address in links if address not in made.text] == []
    own = {PREFERENCES, UNSUBSCRIBE, "*|PREFS|*", "*|UNSUB|*", "*|ARCHIVE|*"}
    assert list(made.links) == [address for address in dict.fromkeys(links) if address not in own]


@every_kind
@pytest.mark.parametrize("view", list(View))
def test_nothing_is_left_of_the_template(kind: str, view: View, mail: Mail) -> None:
    made = mail(kind, view)
    for part in (made.subject, made.html, made.text):
        assert not re.search(r"\bNone\b|\bUndefined\b|\{\{|\}\}|\{%|%\}|\[\[|\]\]|\[%|%\]", part)
    assert "mj-" not in re.sub(r"mj-(column|outlook)[\w-]*", "", made.html), "an MJML element came through"
    assert "<" not in made.text
    assert "&amp;" not in made.text
    assert "\n\n\n" not in made.text
    assert made.subject == made.subject.strip()
    assert "\n" not in made.subject


@every_kind
def test_it_is_small_enough(kind: str, mail: Mail) -> None:
    assert len(mail(kind).html.encode()) < SMALL_ENOUGH_FOR_GMAIL


@every_kind
def test_the_postal_address_is_in_each_footer(kind: str, mail: Mail, community: Community) -> None:
    direct, campaign = mail(kind), mail(kind, View.CAMPAIGN)
    assert community.postal_address in direct.text
    assert community.postal_address in Page(direct.html).text
    assert "*|HTML:LIST_ADDRESS_HTML|*" in campaign.html
    assert "*|LIST:ADDRESS|*" in campaign.text


@pytest.mark.parametrize("kind", sorted(TO_MEMBERS))
def test_a_member_can_always_choose_and_leave(kind: str, mail: Mail) -> None:
    direct, campaign = mail(kind), mail(kind, View.CAMPAIGN)
    for address in (PREFERENCES, UNSUBSCRIBE):
        assert address in Page(direct.html).links
        assert address in direct.text
        assert address not in direct.links
    for tag in ("*|PREFS|*", "*|UNSUB|*"):
        assert tag in Page(campaign.html).links
        assert tag in campaign.text


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind in TO_MEMBERS and (TEMPLATES / kind / "body.mjml").exists()])
@pytest.mark.parametrize("forgotten", sorted(MEMBERS))
def test_a_mail_to_members_without_a_way_out_is_refused(kind: str, forgotten: str, renderer: Renderer) -> None:
    context = {name: value for name, value in (sample(kind) | MEMBERS).items() if name != forgotten}
    with pytest.raises(RenderingError, match=forgotten):
        renderer.render(kind, context)


def _filled(renderer: Renderer, kind: str, context: dict[str, Any]) -> None:
    if kind in renderer.letters():
        renderer.draft(kind, context, language="en")
    else:
        renderer.render(kind, MEMBERS | context)


@every_kind
def test_each_value_of_the_sample_is_needed(kind: str, renderer: Renderer) -> None:
    for name in set(sample(kind)) - set(MEMBERS):
        context = {key: value for key, value in sample(kind).items() if key != name}
        with pytest.raises(RenderingError, match=name):
            _filled(renderer, kind, context)


@every_kind
def test_an_absent_value_is_an_error_that_names_the_kind_and_no_words_of_people(kind: str, renderer: Renderer) -> None:
    text_values = [
        name for name, value in sample(kind).items() if isinstance(value, str) and value and not name.endswith(("question", "reason"))
    ]
    with pytest.raises(RenderingError) as caught:
        _filled(renderer, kind, sample(kind) | dict.fromkeys(text_values))
    assert kind in str(caught.value)
    assert "Asha" not in str(caught.value)


def test_an_unknown_kind_is_not_found(renderer: Renderer) -> None:
    with pytest.raises(NotFound):
        renderer.render("no_such_kind", {})
    with pytest.raises(NotFound):
        renderer.draft("newsletter", {}, language="en")
    with pytest.raises(NotFound):
        renderer.render("welcome", {})


@pytest.mark.parametrize(
    ("kind", "emptied"),
    [
        ("confirm_join", {"first_name": "", "reason": ""}),
        ("event_change", {"is_member": False, "preferences_url": "", "unsubscribe_url": ""}),
        ("event_follow_up", {"attended": False, "feedback_url": "", "question": "", "story_question": ""}),
        ("event_reminder", {"event": {"title": "Call", "starts_local": "Monday", "ends_local": "13:00", "venue": "", "url": ""}}),
        ("newsletter", {"lead": None, "items": [], "announcements": [], "events": [], "newcomers": [], "question": "", "measured": False}),
        ("newsletter", {"intro": "", "preview_text": "", "archive_url": ""}),
        ("nudge", {"cared_for": [], "missed": [], "events": [], "question": ""}),
        ("nudge", {"cared_for": [], "events": []}),
        ("role_note", {"facts": [], "questions": []}),
        ("weekly_briefing", {"minutes_total": 0, "first_count": 0, "sections": [], "taken": [], "done": []}),
        ("welcome", {"reason": "", "resources": [], "first_step": "", "note": "With a *note*."}),
        ("welcome_follow_up", {"resources": []}),
    ],
)
def test_what_is_empty_leaves_no_hole(kind: str, emptied: dict[str, Any], mail: Mail) -> None:
    made = mail(kind, **emptied)
    assert Page(made.html).faults == []
    assert "<ul" not in made.html.replace(" ", "") or emptied.keys() <= {
        "attended",
        "feedback_url",
        "question",
        "intro",
        "preview_text",
        "archive_url",
        "cared_for",
        "events",
    }
    assert "\n\n\n" not in made.text
    assert not re.search(r"^(Where|Sign up|Read it|One question|Welcome to): *$", made.text, re.MULTILINE)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "first_name" in sample(kind)])
def test_somebody_without_a_first_name_is_greeted_too(kind: str, mail: Mail) -> None:
    made = mail(kind, first_name="")
    assert not re.search(r" ,|^,|, ?[?!]|,$", made.subject)
    for part in (made.text, Page(made.html).text):
        assert "Hello," in part
        assert "Dear ," not in part
