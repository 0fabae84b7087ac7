"""Mails in the language their reader chose: no English left in a template, nor in the sentences that code puts into it."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from docs.texts import faults, texts
from service.languages import available, said, said_at, said_of
from service.messages.rules import TO_FACILITATOR, MessageKind
from service.rendering import Community, Renderer
from tests.rendering.conftest import MEMBERS, TEMPLATES, Mail, sample

TO_MEMBERS = sorted(set(MessageKind) - TO_FACILITATOR - {MessageKind.NEWSLETTER})
"""The newsletter is what a facilitator wrote, for everybody at once."""
OTHERS = [code for code in available() if code != "en"]
SAME_IN_BOTH = {"icalendar", "post"}
_WORD = re.compile(r"[a-zâêîôûŵŷ]{4,}", re.IGNORECASE)
_NOT_SEEN = re.compile(r"<style.*?</style>|<[^>]*>|&[#\w]+;|https?://\S+", re.DOTALL)


@pytest.mark.parametrize("code", OTHERS)
def test_every_text_that_members_read_is_translated_and_keeps_its_gaps(code: str) -> None:
    assert faults(code) == []
    assert len(texts()) > 300


@pytest.fixture(scope="module")
def wordless() -> Renderer:
    return Renderer(TEMPLATES, Community("1001", "1002", "1003", "https://community.example.org", "1004"))


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("kind", TO_MEMBERS)
def test_a_template_holds_no_word_of_english_outside_the_catalogue(wordless: Renderer, kind: str, code: str) -> None:
    for context in _without_words(sample(kind)):
        english, other = (set(_words(wordless, kind, context, language)) for language in ("en", code))
        assert english & other <= SAME_IN_BOTH
        assert len(other) > 20


def _words(renderer: Renderer, kind: str, context: dict[str, Any], language: str) -> Iterator[str]:
    if kind in renderer.letters():
        made = renderer.letter(kind, renderer.draft(kind, context, language=language), language=language, **MEMBERS)
    else:
        made = renderer.render(kind, MEMBERS | context, language=language)
    for part in (made.subject, made.html, made.text):
        yield from (word.lower() for word in _WORD.findall(_NOT_SEEN.sub(" ", part)))


def _without_words(given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The sample with a number for every text, then the same with each value empty in turn, for the other branches."""
    full = {name: _numbers(value) for name, value in given.items()}
    yield full
    yield from (full | {name: type(value)()} for name, value in full.items() if not name.endswith(("_url", "event", "changes")))
    yield from (full | {"changes": [one]} for one in full.get("changes", []))


def _numbers(value: Any) -> Any:
    match value:
        case str():
            return value if value.startswith("https:") else "7" * (3 if value else 0)
        case dict():
            return {name: part if name == "what" else _numbers(part) for name, part in value.items()}
        case list():
            return [_numbers(part) for part in value]
    return value


def test_a_welsh_letter_says_its_language_and_leads_to_welsh_pages(mail: Mail) -> None:
    made = mail("welcome", language="cy-GB")
    assert made.subject == "Croeso i Night Team Learning, Asha"
    assert '<html lang="cy-GB"' in made.html
    assert f"{MEMBERS['preferences_url']}?lang=cy" in made.text
    assert "?lang=" not in mail("welcome").html
    assert mail("welcome", language="pl").subject == "Welcome to Night Team Learning, Asha"  # no catalogue: English


def test_sentences_of_code_are_english_until_a_reader_wants_another_language(mail: Mail) -> None:
    told = [said_of(n, "%(count)s person left in the last month.", "%(count)s people left in the last month.") for n in (1, 4)]
    assert [str(one) for one in told] == ["1 person left in the last month.", "4 people left in the last month."]
    assert [one.in_language("cy") for one in told] == [
        "Gadawodd 1 person yn ystod y mis diwethaf.",
        "Gadawodd 4 o bobl yn ystod y mis diwethaf.",
    ]
    made = mail("nudge", language="cy", cared_for=["sepsis", "ocsigen"], first_name=said("colleague"))
    assert "Annwyl gydweithiwr," in made.text
    assert "sepsis ac ocsigen" in made.text
    assert "sepsis a handover" in mail("nudge", language="cy", cared_for=["sepsis", "handover"]).text


def test_people_s_words_stay_harmless_inside_a_translated_sentence(mail: Mail) -> None:
    nasty = "<b>x</b> *|FNAME|* %(name)s [a](https://evil.example)"
    for language in ("en", "cy"):
        made = mail("nudge", language=language, first_name=nasty, cared_for=[], attended="", reason=nasty)
        assert "<b>x</b>" not in made.html
        assert "*|FNAME|*" not in made.html + made.text + made.subject
        assert ">a</a>" not in made.html
        assert "%(name)s" in made.text


def test_an_address_left_out_of_a_quoted_reason_is_named_in_the_reader_s_language(mail: Mail) -> None:
    reason = "Gweler https://evil.example/x am fwy"
    assert "Gweler (dolen) am fwy" in mail("welcome", language="cy", reason=reason).text
    assert "Gweler (link) am fwy" in mail("welcome", reason=reason).text


def test_a_time_is_told_in_the_reader_s_words(mail: Mail) -> None:
    at = said_at(datetime(2026, 10, 8, 12, 30))  # noqa: DTZ001 - wall-clock time, as it stands in a mail
    event = {"title": "Galwad agored", "starts_local": at, "ends_local": "13:15", "venue": "", "url": ""}
    assert "Thursday 8 October, 12:30 to 13:15" in mail("event_reminder", event=event).text
    assert "Dydd Iau 8 Hydref, 12:30 tan 13:15" in mail("event_reminder", event=event, language="cy").text
