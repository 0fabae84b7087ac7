"""Who asks to leave, and who only uses the same words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.webhooks.leaving import wants_to_leave

LEAVING = [
    "unsubscribe",
    "UNSUBSCRIBE",
    "Unsubscribe please.",
    "Please unsubscribe",
    "STOP",
    "Stop.",
    "stop!!!",
    "Hi Tom,\n\nstop please",
    "Stop emails",
    "Please stop emailing me.",
    "Stop sending me these",
    "please remove me",
    "Remove me from your list",
    "Can you remove me please?",
    "Please remove me from the mailing list, I have moved to another trust.",
    "Could you take me off this list? Thank you.",
    "Kindly take me off.",
    "Please take my name off the distribution list.",
    "Please delete my email address from your database.",
    "I would like to unsubscribe.",
    "I'd like to unsubscribe from the newsletter, thanks for everything",
    "How do I unsubscribe?",
    "Thank you, it was a good time. But I retire in July, so please unsubscribe me.",
    "I no longer wish to receive these emails.",
    "I don\u2019t want to receive any more emails.",
    "I do not want to be on this list any more",
    "No more emails please",
    "I want to leave the network.",
    "Please opt me out.",
    "Opt out",
    "I wish to opt out of all mailings",
    "Cancel my membership please",
    "Please do not email me again.",
    "Don't contact me any more.",
    "If possible please remove me from the circulation list.",
    "I've changed jobs and this isn't relevant,\nso please remove me from\nthe list.",
    "Bitte abmelden",
    "abmelden",
    "D\u00e9sabonner",
    "dad-danysgrifio",
    "I never signed up to this. Remove me!",
    "Please stop contacting me",
    "I don't want these emails",
    "I need to come off the mailing list",
]

STAYING = [
    "",
    "Please don't stop these mails!",
    "please do not remove me from the list, I am only on leave",
    "Don't unsubscribe me, I am back in June.",
    "How do I unsubscribe a colleague?",
    "How do I unsubscribe my colleague who left?",
    "Can you unsubscribe Helen Marsh, she retired?",
    "My colleague asked to be removed from the list, her name is Helen.",
    "Helen would like to unsubscribe, can she do it herself?",
    "I nearly unsubscribed last year, but the June edition was great.",
    "I was going to unsubscribe but the topic interests me.",
    "I was thinking about leaving the ward, not the network.",
    "We want to stop falls on stairs.",
    "Stop the clock audits helped us a lot",
    "We had to stop the trial in May.",
    "What made you stop using bed rails?",
    "The bus stop is right outside.",
    "Can you remove the bed rails from the guidance?",
    "We remove all trip hazards.",
    "Please remove me from the rota for Thursday, I am on leave.",
    "Please take me off the list of speakers for the 18th.",
    "Take me off the waiting list for the study day please, I found a place.",
    "Please cancel my booking for the event.",
    "I have to cancel, sorry.",
    "Do not email me on Thursdays, I don't work then.",
    "If you stop sending these I would miss them.",
    "Why do people unsubscribe?",
    "How many members unsubscribed last quarter?",
    "The unsubscribe link is hard to find.",
    "I don't want to miss the next one.",
    "Patients don't want to be on a list of fallers.",
    "We receive no more referrals from the clinic.",
    "I will leave the poster at reception.",
    "Opting out of the national audit was a mistake.",
    "Don't stop!",
    "Never stop writing these.",
    "I can't stop reading these.",
    "Remove me any doubt: do mats help?",
    "I cannot unsubscribe from caring, ha ha.",
    "It would be a shame to leave the group now.",
    "My manager told me to get off the ward list and rest.",
]


@pytest.mark.parametrize("text", LEAVING)
def test_who_asks_to_leave_is_understood(text: str) -> None:
    assert wants_to_leave(text)


@pytest.mark.parametrize("text", STAYING)
def test_the_same_words_about_something_else_are_no_request(text: str) -> None:
    assert not wants_to_leave(text)


@given(st.text())
def test_any_text_gets_an_answer(text: str) -> None:
    assert wants_to_leave(text) in (True, False)
