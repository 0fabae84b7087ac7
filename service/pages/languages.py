"""Which language a page speaks: what the address asks for (`?lang=cy`), else what the person chose for their mails, else what the browser
prefers, else English. A language is one catalogue, `locales/<code>.po`; a text without a translation stays English.
"""

import gettext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

from babel import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from fastapi import Request

LOCALES = Path(__file__).resolve().parent / "locales"
ENGLISH = "en"
LANGUAGES = {
    "en": "English",
    "cy": "Cymraeg",
    "bn": "বাংলা",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "pl": "Polski",
    "pt": "Português",
    "ro": "Română",
    "ur": "اردو",
}
"""Languages a member may choose, by their own names. In those without a catalogue we write English."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """The language of the page being made; `asked` when the address itself asks for it."""

    code: str = ENGLISH
    asked: bool = False

    @property
    def query(self) -> str:
        """What keeps the language from one page to the next."""
        return f"?lang={self.code}" if self.asked else ""


_UNASKED = Spoken()
_spoken: ContextVar[Spoken] = ContextVar("spoken", default=_UNASKED)


@cache
def available() -> tuple[str, ...]:
    """Codes of the languages that pages can be shown in, English first."""
    return (ENGLISH, *sorted(path.stem for path in LOCALES.glob("*.po")))


@cache
def translations(code: str) -> gettext.NullTranslations:
    """The texts of a language; those of English are the texts themselves."""
    if code == ENGLISH or code not in available():
        return gettext.NullTranslations()
    compiled = BytesIO()
    with (LOCALES / f"{code}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


async def choose_language(request: Request) -> None:
    """For the public pages: settle the language of this request."""
    asked = request.query_params.get("lang", "")
    if asked in available():
        _spoken.set(Spoken(asked, asked=True))
        return
    accepted = [part.split(";")[0].strip() for part in request.headers.get("accept-language", "").split(",")][:20]
    _spoken.set(Spoken(negotiate_locale([a for a in accepted if a], available(), sep="-") or ENGLISH))


def spoken() -> Spoken:
    """The language of the page being made."""
    return _spoken.get()


def prefer(code: object) -> None:
    """The person behind the link chose this language for their mails: speak it, unless the address asks for another."""
    if not spoken().asked and code in available():
        _spoken.set(Spoken(str(code)))


def version_shown(version: str) -> str:
    """The version of a consent text as it was shown, for the proof: `join-2`, or `join-2.cy` in Welsh."""
    code = spoken().code
    return version if code == ENGLISH else f"{version}.{code}"


def in_language(text: str, version: str) -> str:
    """A consent text in the words that were shown with this version."""
    code = version.partition(".")[2]
    return translations(code).gettext(text) if code and text else text
