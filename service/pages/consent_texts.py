"""What people agree to, word for word. A text is never changed: a new wording gets a new version, and the old one stays here as proof."""

from dataclasses import dataclass

from service.languages import translations


@dataclass(frozen=True, slots=True)
class ConsentText:
    """What a page said beside its boxes; `{community}` is the community's name. `measuring` is empty where it was not asked."""

    version: str
    newsletter: str
    nudges: str = ""
    measuring: str = ""
    naming: str = ""


_NEWSLETTER = (
    "Yes, I want to join {community}. Please keep what I have written here, and send me a personal welcome, the newsletter "
    "and now and then a personal note. I can change or stop this at any time, with the link in every email."
)
_MEASURING = (
    "Yes, you may count whether I open the emails and follow their links, to learn what is useful. "
    "You get the same emails if you leave this empty."
)

_NAMING = "Yes, you may welcome me in the newsletter, by first name and organisation. Only members get it."

JOIN_1 = ConsentText("join-1", _NEWSLETTER, measuring=_MEASURING)
JOIN_1_WITHOUT_MEASURING = ConsentText("join-1-unmeasured", _NEWSLETTER)
JOIN = ConsentText("join-2", _NEWSLETTER, measuring=_MEASURING, naming=_NAMING)
JOIN_WITHOUT_MEASURING = ConsentText("join-2-unmeasured", _NEWSLETTER, naming=_NAMING)
_PREFERENCES = (
    "The newsletter",
    "Personal notes: something picked for me, when I have not been around for a while",
    "You may count whether I open the emails and follow their links, to learn what is useful",
)
PREFERENCES_1 = ConsentText("preferences-1", *_PREFERENCES)
PREFERENCES = ConsentText(
    "preferences-2", *_PREFERENCES, naming="You may welcome me in the newsletter, by first name and organisation; only members get it"
)
STAY_WITH_LESS = ConsentText(
    "good-bye-1", "Send me the newsletter, and nothing else.", "Send me a personal note now and then, and nothing else."
)

TEXTS = {
    text.version: text
    for text in (JOIN, JOIN_WITHOUT_MEASURING, JOIN_1, JOIN_1_WITHOUT_MEASURING, PREFERENCES, PREFERENCES_1, STAY_WITH_LESS)
}
"""Every wording there ever was, by its version."""


def join_text(*, asks_measuring: bool) -> ConsentText:
    """What the join page asks: measuring only where opens and clicks are measured at all."""
    return JOIN if asks_measuring else JOIN_WITHOUT_MEASURING


def as_shown(text: str, version: str) -> str:
    """A consent text in the words that were shown with this version."""
    code = version.partition(".")[2]
    return translations(code).gettext(text) if code and text else text
