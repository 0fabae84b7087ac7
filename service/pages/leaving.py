"""Leaving in one click (RFC 8058) and the page that says good-bye; less instead of nothing is offered after the leaving is done."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from service.deps import NowDep, PartsDep, SessionDep
from service.errors import InvalidInput, NotFound
from service.members.rules import ConsentPurpose, MemberStatus
from service.messages.rules import SuppressionPurpose
from service.pages.consent_texts import STAY_WITH_LESS
from service.pages.forms import ClientIp, FormDep
from service.pages.languages import version_shown
from service.pages.looks import page
from service.parts import Parts
from service.welcome.leaving import Left, leave, purpose_named, stay, stay_with_less

router = APIRouter(include_in_schema=False)

ONE_CLICK = "List-Unsubscribe"
KEEP = {"newsletter": SuppressionPurpose.NEWSLETTER, "nudges": SuppressionPurpose.NUDGES}


def _member_and_purpose(parts: Parts, token: str) -> tuple[UUID, str]:
    try:
        return parts.links.member_and_purpose_of_unsubscribe(token)
    except InvalidInput as error:
        raise NotFound(error.detail) from error


@router.api_route("/unsubscribe/{token}", methods=["GET", "HEAD"])
async def show_unsubscribe(token: str, parts: PartsDep) -> HTMLResponse:
    """The button; it looks at nothing but the link, so it is the same for everybody."""
    _, purpose = _member_and_purpose(parts, token)
    return page(parts.settings, "unsubscribe.html", purpose=purpose_named(purpose), token=token)


@router.post("/unsubscribe/{token}")
async def post_unsubscribe(token: str, form: FormDep, session: SessionDep, parts: PartsDep, now: NowDep, ip: ClientIp) -> HTMLResponse:
    """Leave, at once, whatever the body says: mail programs send `List-Unsubscribe=One-Click`, the page its buttons. No redirect.
    Only `keep`, offered on the good-bye page, means something else: to stay with less.
    """
    member_id, purpose = _member_and_purpose(parts, token)
    keep = KEEP.get(form.one("keep"))
    if keep is not None:
        await stay_with_less(session, parts, member_id, keep, text_version=version_shown(STAY_WITH_LESS.version), now=now, ip=ip)
        return page(parts.settings, "stayed.html", keep=keep)
    if form.one("everything"):
        purpose = SuppressionPurpose.ALL
    source = "one_click" if form.one(ONE_CLICK) else "unsubscribe_page"
    return _good_bye(parts, token, await leave(session, parts, member_id, purpose, now=now, source=source))


@router.api_route("/stay/{token}", methods=["GET", "HEAD"])
async def show_stay(token: str, parts: PartsDep) -> HTMLResponse:
    """The button behind "keep me on the list"; looking at the page is no answer."""
    return page(parts.settings, "stay.html", token=token, leave_url=parts.links.unsubscribe(_staying(parts, token), SuppressionPurpose.ALL))


@router.post("/stay/{token}")
async def post_stay(token: str, session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """Their answer: mail goes on. Who has left meanwhile is not brought back by it."""
    standing = await stay(session, _staying(parts, token), now=now)
    if standing != MemberStatus.SUBSCRIBED:
        return page(parts.settings, "not_on_the_list.html", standing=standing)
    return page(parts.settings, "staying.html")


def _staying(parts: Parts, token: str) -> UUID:
    try:
        return parts.links.member_of_stay(token)
    except InvalidInput as error:
        raise NotFound(error.detail) from error


def _good_bye(parts: Parts, token: str, left: Left) -> HTMLResponse:
    return page(
        parts.settings,
        "good_bye.html",
        token=token,
        stopped=left.stopped,
        gets_newsletter=ConsentPurpose.NEWSLETTER in left.still_gets,
        gets_nudges=ConsentPurpose.NUDGES in left.still_gets,
        may_stay=left.may_stay,
        consent=STAY_WITH_LESS,
    )
