"""Signing in and out: by a mailed link that a person confirms with a button (scanners follow links), or with a key."""

import re
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from service.auth.audit import called_from
from service.auth.flood import address_of, count_wrong_key, limit_sign_in, refuse_guessing
from service.auth.keys import find_key
from service.console.access import DeskDep, OwnForm, drop_cookie, refuse_other_sites, set_cookie
from service.console.looks import stand_alone
from service.console.people import LINK_MAX_AGE, mail_link, person_of_link
from service.console.sessions import end, start_with_key, start_with_link
from service.deps import NowDep, PartsDep, SessionDep
from service.errors import InvalidInput, LimitReached, ServiceError
from service.pages.forms import Form, FormDep, Wrong
from service.parts import Parts

router = APIRouter(prefix="/console", include_in_schema=False)
HOME = "/console"
_OURS = re.compile(r"/console(?:[/?][\w\-./?=&%]*)?")
_MINUTES = int(LINK_MAX_AGE.total_seconds() // 60)


def _next(asked: str) -> str:
    """Where to go afterwards: a page of ours, never another site."""
    return asked if _OURS.fullmatch(asked) and "//" not in asked and "/sign-" not in asked else HOME


def _page(parts: Parts, *, wrong: Sequence[Wrong] = (), after: str = HOME, form: Form | None = None) -> HTMLResponse:
    status = 422 if wrong else 200
    return stand_alone(parts.settings, "sign_in.html", status=status, wrong=wrong, after=after, form=form or Form())


def _not_in(parts: Parts, field: str, error: ServiceError, *, after: str = HOME, form: Form | None = None) -> HTMLResponse:
    """The page again, with what is wrong; to whom tried too often it says when to come back."""
    page = _page(parts, wrong=[Wrong(field, error.detail)], after=after, form=form)
    if isinstance(error, LimitReached):
        page.status_code = 429
        page.headers["Retry-After"] = str(error.retry_after_seconds)
    return page


@router.get("/sign-in")
async def show(parts: PartsDep, request: Request) -> Response:
    """Both ways in."""
    return _page(parts, after=_next(request.query_params.get("next", "")))


@router.post("/sign-in")
async def ask_for_link(request: Request, form: FormDep, session: SessionDep, parts: PartsDep, now: NowDep) -> Response:
    """Mail a link. The page afterwards is the same for every address."""
    email = form.one("email")
    try:
        refuse_other_sites(request)
        await limit_sign_in(request, parts)
    except ServiceError as error:
        return _not_in(parts, "email", error, form=form)
    if "@" not in email:
        return _page(parts, wrong=[Wrong("email", "Enter an email address in full, such as name@trust.nhs.uk")], form=form)
    called_from(address_of(request))
    await mail_link(session, parts, email, now=now)
    return stand_alone(parts.settings, "sign_in_asked.html", email=email, minutes=_MINUTES)


@router.post("/sign-in/key")
async def use_key(request: Request, form: FormDep, parts: PartsDep, now: NowDep) -> Response:
    """Sign in with a key. Wrong ones are counted as in the API."""
    key = form.one("key")
    after = _next(form.one("next"))
    try:
        refuse_other_sites(request)
        refuse_guessing(request, parts)
        called_from(address_of(request))
        async with parts.database.transaction() as session:
            found = await find_key(session, key, now=now)
            token = await start_with_key(session, found, now=now) if found else ""
        if not token:
            await count_wrong_key(request, parts, key)
            raise InvalidInput("This key does not count. Check that it was copied whole; an admin can make another.")
    except ServiceError as error:
        return _not_in(parts, "key", error, after=after)
    return _in(parts, token, after)


def _in(parts: Parts, token: str, after: str) -> Response:
    answer = RedirectResponse(after, 303)
    set_cookie(answer, parts.settings, token)
    return answer


@router.get("/sign-in/{token}")
async def show_link(token: str, session: SessionDep, parts: PartsDep, now: NowDep) -> Response:
    """The button. Looking changes nothing."""
    try:
        _, person = await person_of_link(session, parts, token, now=now)
    except InvalidInput as error:
        return _not_in(parts, "email", error)
    return stand_alone(parts.settings, "sign_in_confirm.html", token=token, name=person.name)


@router.post("/sign-in/{token}")
async def use_link(request: Request, token: str, parts: PartsDep, now: NowDep) -> Response:
    """In, once."""
    try:
        refuse_other_sites(request)
        called_from(address_of(request))
        async with parts.database.transaction() as session:
            cookie = await start_with_link(session, parts, token, now=now)
    except ServiceError as error:
        return _not_in(parts, "email", error)
    return _in(parts, cookie, HOME)


@router.post("/sign-out")
async def sign_out(desk: DeskDep, _form: OwnForm) -> Response:
    """Out, here and for this cookie everywhere."""
    async with desk.parts.database.transaction() as session:
        await end(session, desk.me, now=desk.now)
    answer = RedirectResponse("/console/sign-in", 303)
    drop_cookie(answer, desk.parts.settings)
    return answer
