"""What every page of the console is made with: who is there, our API as they see it, the time, and the way to a page or to the next one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import func
from sqlmodel import col, select

from service.campaigns.models import Campaign
from service.console.inside import Inside
from service.console.looks import html_of
from service.console.sessions import SignedIn
from service.engagement.models import Reply
from service.errors import NotAllowed, NotFound, ServiceError
from service.members.models import JoinRequest
from service.members.rules import JoinRequestStatus
from service.messages.models import Delivery, ProviderHalt
from service.pages.forms import Form, Wrong
from service.parts import Parts
from service.webhooks.models import WebhookEvent

_HEADINGS: Mapping[type[ServiceError], tuple[int, str]] = {
    NotFound: (404, "There is nothing here"),
    NotAllowed: (403, "You may not do this"),
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits for a person; shown beside the menu."""

    requests: int
    replies: int
    attention: int


@dataclass(frozen=True, slots=True)
class Desk:
    """One request of somebody who is signed in."""

    request: Request
    parts: Parts
    me: SignedIn
    api: Inside
    now: datetime

    @property
    def is_partial(self) -> bool:
        """Is only a part of the page asked for, to be put into the one that is open?"""
        return self.request.headers.get("hx-request") == "true" and not self.request.headers.get("hx-boosted")

    async def page(self, template: str, *, here: str, code: int = 200, **values: object) -> HTMLResponse:
        """A whole page. `here` is the menu's entry that it belongs to."""
        waiting = await self.waiting()
        said = self.request.query_params.get("done", "")
        return HTMLResponse(self.html(template, here=here, waiting=waiting, said=said, **values), code)

    def part(self, template: str, **values: object) -> HTMLResponse:
        """A part of a page."""
        return HTMLResponse(self.html(template, **values))

    def html(self, template: str, **values: object) -> str:
        """A template filled with what everybody's pages know."""
        given = {"form": Form(), "wrong": (), **values}
        return html_of(self.parts.settings, template, me=self.me, now=self.now, **given)

    def to(self, path: str, **query: str) -> Response:
        """On to another page after something was done; reloading it does nothing twice."""
        return RedirectResponse(path + (f"?{urlencode(query)}" if query else ""), 303)

    async def refusal(self, error: ServiceError) -> HTMLResponse:
        """What is wrong and what to do, within the console."""
        status, heading = next((found for kind, found in _HEADINGS.items() if isinstance(error, kind)), (409, "That could not be done"))
        return await self.page("error_here.html", here="", code=status, heading=heading, text=error.detail)

    async def waiting(self) -> Waiting:
        """Counted afresh for each page."""
        asked = select(func.count()).select_from
        open_request = col(JoinRequest.status) == JoinRequestStatus.OPEN
        unanswered = (col(Reply.kind) == "reply") & col(Reply.answered_at).is_(None)
        counts = (
            asked(JoinRequest).where(open_request),
            asked(Reply).where(unanswered),
            asked(Delivery).where(col(Delivery.needs_person).is_(True)),
            asked(Campaign).where(col(Campaign.needs_person).is_(True)),
            asked(ProviderHalt),
            asked(WebhookEvent).where(col(WebhookEvent.parked_at).is_not(None), col(WebhookEvent.handled_at).is_(None)),
        )
        async with self.parts.database.reading() as session:
            found = (await session.exec(select(*(query.scalar_subquery() for query in counts)))).one()
        return Waiting(found[0], found[1], sum(found[2:]))


def wrongs(error: ServiceError, labels: dict[str, str] | None = None) -> Sequence[Wrong]:
    """What an error says about the fields of a form, each with its label; about the whole, where it names none."""
    names = labels or {}
    found = []
    for problem in error.problems:
        field = problem.pointer.strip("/").partition("/")[0]
        found.append(Wrong(field or "main", f"{names.get(field, field.replace('_', ' ').capitalize())}: {problem.detail}"))
    return found or [Wrong("main", error.detail)]
