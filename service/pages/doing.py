"""One step of a facilitator's week behind a mailed link: what it does, a button, and what came of it.

No sign-in: the signed link is the permission. A GET never changes anything: link scanners follow links.
"""

from collections.abc import Mapping

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from service.briefing.doing import do
from service.briefing.offers import offer_of
from service.briefing.tasks import At, Offer, Task, read_task
from service.deps import NowDep, PartsDep, SessionDep
from service.errors import Conflict, InvalidInput, NotFound
from service.pages.forms import FormDep, Wrong
from service.pages.looks import page
from service.parts import Parts

router = APIRouter(include_in_schema=False)


def _task(parts: Parts, token: str, now: NowDep) -> Task:
    try:
        return read_task(parts, token, now=now)
    except (InvalidInput, ValueError) as error:
        raise NotFound(getattr(error, "detail", "This link is not complete.")) from error


@router.api_route("/do/{token}", methods=["GET", "HEAD"])
async def show_task(token: str, session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """What would be done."""
    task = _task(parts, token, now)
    try:
        offer = await offer_of(At(session, parts, task, now))
    except Conflict as error:
        return page(parts.settings, "done.html", title="There is nothing to do here any more", told=error.detail, text="")
    return _offer_page(parts, token, offer, {field.name: field.value for field in offer.fields})


@router.post("/do/{token}")
async def post_task(token: str, form: FormDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """Do it."""
    task = _task(parts, token, now)
    given = {name: form.one(name) for name in form.fields}
    try:
        async with parts.database.transaction() as session:
            done = await do(At(session, parts, task, now, form.one("do"), given))
    except Conflict as error:
        return page(parts.settings, "done.html", title="That was not done", told=error.detail, text="")
    except InvalidInput as error:
        wrong = [Wrong(problem.pointer.removeprefix("/"), problem.detail) for problem in error.problems]
        async with parts.database.reading() as session:
            offer = await offer_of(At(session, parts, task, now))
        return _offer_page(parts, token, offer, given, wrong=wrong)
    return page(parts.settings, "done.html", title=done.title, told=done.told, text=done.text)


def _offer_page(parts: Parts, token: str, offer: Offer, values: Mapping[str, str], *, wrong: list[Wrong] | None = None) -> HTMLResponse:
    known = {field.name: values.get(field.name, field.value) for field in offer.fields}
    status = 200 if wrong is None else 422
    return page(
        parts.settings, "do.html", status=status, token=token, offer=offer, values=known, wrong=wrong or [], buttons=offer.buttons or {}
    )
