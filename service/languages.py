"""The languages we write in. One catalogue each, `locales/<code>.po`, for pages and mails alike; a text without a translation stays
English. A sentence made in code is a `Said`: English wherever it is read, and in a member's own language once it goes into their mail.
"""

import gettext
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Self

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
_VOWELS = frozenset("aeiouwyâêîôûŵŷáéíóúäëïöü")


@cache
def available() -> tuple[str, ...]:
    """Codes of the languages that pages and mails can be in, English first."""
    return (ENGLISH, *sorted(path.stem for path in LOCALES.glob("*.po")))


def written_in(code: object) -> str:
    """The language we write in to somebody who chose `code`: `cy` for `cy` and `cy-GB`, English where there is no catalogue."""
    return next((tag for tag in (str(code), str(code).partition("-")[0]) if tag in available()), ENGLISH)


def foreign_name(code: object) -> str:
    """The own name of the language we write in to somebody who chose `code`; empty where that is English."""
    chosen = written_in(code)
    return "" if chosen == ENGLISH else LANGUAGES.get(chosen, chosen)


@cache
def translations(code: str) -> gettext.NullTranslations:
    """The texts of a language; those of English are the texts themselves."""
    if code == ENGLISH or code not in available():
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo  # noqa: PLC0415  # Babel takes long to load; English needs none of it
    from babel.messages.pofile import read_po  # noqa: PLC0415

    compiled = BytesIO()
    with (LOCALES / f"{code}.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


class Said(str):
    """A sentence in English that can be said in other languages: `%(name)s` stands for the value `name`, which may be a `Said` too."""

    message: str
    values: Mapping[str, object]

    def __new__(cls, message: str, /, **values: object) -> Self:
        """Put the values into the English sentence."""
        self = super().__new__(cls, message % values)
        self.message, self.values = message, values
        return self

    def in_language(self, code: str) -> str:
        """The sentence in that language."""
        return self._template(code) % {name: in_language(value, code) for name, value in self.values.items()}

    def _template(self, code: str) -> str:
        return translations(code).gettext(self.message)


said = Said
"""How a sentence that members read is marked in code: `make texts` finds these calls."""


COLLEAGUE = said("colleague")
"""How somebody whose name we don't know is addressed, after "Dear"."""


class _Counted(Said):
    many: str
    number: int

    def _template(self, code: str) -> str:
        return translations(code).ngettext(self.message, self.many, self.number)


class _Listed(Said):
    items: Sequence[str]

    def in_language(self, code: str) -> str:
        return listed_in([str(in_language(item, code)) for item in self.items], code)


class _Moment(Said):
    at: datetime
    pattern: str

    def in_language(self, code: str) -> str:
        if code == ENGLISH:
            return str(self)
        from babel.dates import format_datetime  # noqa: PLC0415  # as above

        return format_datetime(self.at, self.pattern, locale=code)


def said_of(count: int, one: str, many: str, /, **values: object) -> Said:
    """A sentence that depends on a number, given to it as `%(count)s`."""
    chosen = _Counted(one if count == 1 else many, count=count, **values)
    chosen.message, chosen.many, chosen.number = one, many, count
    return chosen


def listed(items: Sequence[str]) -> Said:
    """`a`, `a and b`, `a, b and c`."""
    made = _Listed("%(all)s", all=listed_in(items, ENGLISH))
    made.items = items
    return made


def said_at(here: datetime, *, with_year: bool = False) -> Said:
    """`Thursday 8 October, 12:30`, or `Thursday 8 October 2026, 12:30`; `here` is wall-clock time."""
    year = f" {here.year}" if with_year else ""
    made = _Moment("%(at)s", at=f"{here:%A} {here.day} {here:%B}{year}, {here:%H:%M}")
    made.at, made.pattern = here, f"EEEE d MMMM{' y' if with_year else ''}, HH:mm"
    return made


def said_until(start: datetime, end: datetime) -> str:
    """The end of what begins at `start`: `13:30`, with its day where that is another; both wall-clock time."""
    return f"{end:%H:%M}" if end.date() == start.date() else said_at(end)


def listed_in(items: Sequence[str], code: str) -> str:
    """The items as a list in words; empty for none."""
    if not items:
        return ""
    if code == ENGLISH:
        *before, last = items
        return f"{', '.join(before)} and {last}" if before else last
    from babel.lists import format_list  # noqa: PLC0415  # as above

    joined = str(format_list(list(items), locale=code))
    # Babel leaves it to us whether Welsh says `a` or, before a vowel, `ac`
    return joined.replace(" a(c) ", " ac " if items[-1].lstrip("“‘'\"*_ ")[:1].lower() in _VOWELS else " a ")


def in_language(value: object, code: str) -> object:
    """`value` with every `Said` in it, however deep, in that language; all else as it is."""
    if code == ENGLISH:
        return value
    if isinstance(value, Said):
        return value.in_language(code)
    if isinstance(value, Mapping):
        return {key: in_language(entry, code) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [in_language(entry, code) for entry in value]
    return value
