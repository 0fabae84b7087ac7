"""Who is at the desk: the cookie, the form's proof that it is ours, and what a page needs. Every console route goes through here."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from hmac import compare_digest
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from service.auth.access import Caller, need
from service.auth.audit import called_from
from service.auth.flood import address_of
from service.auth.rules import Scope
from service.console.desk import Desk
from service.console.inside import Inside
from service.console.looks import stand_alone
from service.console.sessions import SEEN_STEP, SignedIn, note_seen, signed_in
from service.deps import get_parts
from service.errors import NotAllowed, NotSignedIn, ServiceError
from service.pages.forms import Form, FormDep
from service.settings import Settings

SIGN_IN = "/console/sign-in"
CSRF_FIELD = "csrf"
FROM_ELSEWHERE = NotAllowed("This form did not come from the page it should have. Open the page again and repeat it.")


def cookie_name(settings: Settings) -> str:
    """Over TLS the browser itself sees to it that nobody else can set this cookie (`__Host-`)."""
    return "__Host-kindling" if is_secure(settings) else "kindling_console"


def is_secure(settings: Settings) -> bool:
    """Are we reached over TLS?"""
    return settings.base_url.startswith("https://")


def set_cookie(response: Response, settings: Settings, token: str) -> None:
    """Not readable by scripts, not sent by other sites' forms, over TLS alone where there is TLS; gone with the browser."""
    response.set_cookie(cookie_name(settings), token, path="/", httponly=True, samesite="lax", secure=is_secure(settings))


def drop_cookie(response: Response, settings: Settings) -> None:
    """The browser forgets it."""
    response.delete_cookie(cookie_name(settings), path="/", httponly=True, samesite="lax", secure=is_secure(settings))


def refuse_other_sites(request: Request) -> None:
    """A POST that a page of another site made is refused, whatever it brings. Raises NotAllowed."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin", "null")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise FROM_ELSEWHERE
    elif origin != "null" and urlsplit(origin).netloc != request.headers.get("host"):
        raise FROM_ELSEWHERE


async def at_the_desk(request: Request) -> Desk:
    """The desk of whoever is signed in. Raises NotSignedIn."""
    parts = get_parts(request)
    now = parts.clock.now()
    token = request.cookies.get(cookie_name(parts.settings), "")
    who: SignedIn | None = None
    if token:
        async with parts.database.reading() as session:
            who = await signed_in(session, token, now=now)
    if who is None:
        raise NotSignedIn("Sign in first.")
    address = address_of(request)
    called_from(address)
    if now - who.seen_at > SEEN_STEP:
        async with parts.database.transaction() as session:
            await note_seen(session, who.session_id, now=now)
    return Desk(request, parts, who, Inside(request.app, Caller(who.actor, who.role, who.scopes), address), now)


DeskDep = Annotated[Desk, Depends(at_the_desk)]


def check_csrf(request: Request, desk: Desk, given: str) -> None:
    """Raises NotAllowed for a form that did not come from a page we gave to this session."""
    refuse_other_sites(request)
    if not compare_digest(given.encode(), desk.me.csrf.encode()):
        raise FROM_ELSEWHERE


async def own_form(request: Request, desk: DeskDep, form: FormDep) -> Form:
    """The posted form, from a page of ours. Raises NotAllowed for any other."""
    check_csrf(request, desk, form.one(CSRF_FIELD))
    return form


OwnForm = Annotated[Form, Depends(own_form)]


async def admins_only(desk: DeskDep) -> None:
    """For pages that only admins may see. Raises NotAllowed."""
    need(desk.api.caller, Scope.ADMIN)


class ConsoleRoute(APIRoute):
    """A route whose refusals are pages of the console: to the sign-in page where nobody is signed in, else what is wrong and what to do."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler, with our errors turned into pages."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except NotSignedIn:
                return to_sign_in(request)
            except ServiceError as error:
                return await _refused(request, error)

        return handled


def to_sign_in(request: Request) -> Response:
    """To the sign-in page, and back afterwards where the address was one to look at."""
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"HX-Redirect": SIGN_IN})
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = f"?next={quote(here)}" if request.method == "GET" and here != "/console" else ""
    return RedirectResponse(SIGN_IN + back, 303)


async def _refused(request: Request, error: ServiceError) -> Response:
    parts = get_parts(request)
    desk: Desk | None = None
    with suppress(NotSignedIn):
        desk = await at_the_desk(request)
    if desk is None:
        return stand_alone(parts.settings, "refused.html", status=422, text=error.detail)
    return await desk.refusal(error)
