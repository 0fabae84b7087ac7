from datetime import timedelta

import pytest

from service.stories.rules import Words, may_be_shown, tells_of_change
from tests.fakes import NOW

LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (Words(True, NOW, NOW), True),
        (Words(True, LATER, NOW), True),
        (Words(True, NOW, LATER), False),
        (Words(True, None, NOW), False),
        (Words(False, LATER, NOW), False),
    ],
)
def test_a_story_is_shown_only_in_the_words_the_member_agreed_to(words: Words, shown: bool) -> None:
    assert may_be_shown(words) is shown


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("Since then we have started a huddle at ten, and falls at night have halved.", True),
        ("We tried your checklist on two bays. It worked.", True),
        ("Thanks to the guide I no longer chase the pharmacist for the list on a Friday afternoon.", True),
        ("We tried.", False),
        ("Thank you, see you on Thursday. I will bring the slides and a colleague from ward 9.", False),
        ("Could somebody send me the link to the recording? I could not find it on the page.", False),
        ("", False),
    ],
)
def test_a_reply_that_tells_of_a_change_is_noticed(text: str, tells: bool) -> None:
    assert tells_of_change(text) is tells
