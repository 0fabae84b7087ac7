"""Which language a page speaks: what the address asks for (`?lang=cy`), else what the person chose for their mails, else what the browser
prefers, else English.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from fastapi import Request

from service.languages import ENGLISH, available, written_in


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


async def choose_language(request: Request) -> None:
    """For the public pages: settle the language of this request."""
    asked = request.query_params.get("lang", "")
    if asked in available():
        _spoken.set(Spoken(asked, asked=True))
        return
    from babel import negotiate_locale  # noqa: PLC0415  # at the first page; it takes long to load

    accepted = [part.split(";")[0].strip() for part in request.headers.get("accept-language", "").split(",")][:20]
    _spoken.set(Spoken(negotiate_locale([a for a in accepted if a], available(), sep="-") or ENGLISH))


def spoken() -> Spoken:
    """The language of the page being made."""
    return _spoken.get()


def prefer(code: object) -> None:
    """The person behind the link chose this language for their mails: speak it, unless the address asks for another."""
    if not spoken().asked and written_in(code) == str(code).partition("-")[0]:
        _spoken.set(Spoken(written_in(code)))


def version_shown(version: str) -> str:
    """The version of a consent text as it was shown, for the proof: `join-2`, or `join-2.cy` in Welsh."""
    code = spoken().code
    return version if code == ENGLISH else f"{version}.{code}"
