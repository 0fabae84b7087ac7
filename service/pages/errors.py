"""The page a person sees when something is wrong: what happened and what to do, in plain words."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi.responses import HTMLResponse

from service.languages import said
from service.pages.looks import page
from service.settings import Settings

_HEADINGS = {
    404: said("There is no page here"),
    405: said("That does not work this way"),
    413: said("That was too much"),
    429: said("Please wait a little"),
    500: said("Something went wrong here"),
    503: said("We can't be reached just now"),
}
_TEXTS = {
    404: said("The address may be incomplete. If it came from an email, please open the link there again."),
    405: said("Please go back and use the button on the page."),
    500: said("It was not your doing, and we have a note of it. Please try again in a few minutes."),
    503: said("Please try again in a few minutes. Nothing you did is lost."),
}
_OURS = {HTTPStatus.NOT_FOUND.phrase, HTTPStatus.METHOD_NOT_ALLOWED.phrase}
"""Details that are the framework's, not a sentence for people."""


def error_page(settings: Settings, status: int, detail: str, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """A kind page for any error. `detail` is a sentence of ours, shown where there is no better one."""
    said_better = status >= HTTPStatus.INTERNAL_SERVER_ERROR or not detail or detail in _OURS
    text = _TEXTS.get(status, detail) if said_better else detail
    heading = _HEADINGS.get(status, said("That did not work"))
    answer = page(settings, "error.html", status=status, heading=heading, text=text, join=status < HTTPStatus.INTERNAL_SERVER_ERROR)
    answer.headers.update(headers or {})
    return answer
