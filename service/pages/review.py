"""One join request behind a facilitator's mailed link (`Links.welcome`): read the reason, then send, edit, swap or decline the welcome.

No sign-in: the signed link is the permission. A GET never changes anything: link scanners follow links.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.deps import NowDep, PartsDep, SessionDep
from service.errors import Conflict, InvalidInput, NotFound
from service.languages import foreign_name
from service.members.models import JoinRequest
from service.members.rules import JoinRequestStatus
from service.members.standing import get_member
from service.pages.forms import Form, FormDep, Wrong
from service.pages.looks import page
from service.parts import Parts
from service.resources.models import Resource
from service.welcome.decisions import approve, decline
from service.welcome.drafts import MOST_IN_LETTER
from service.welcome.editing import Edits, edit_draft
from service.welcome.unanswered import goes_by_itself_at

router = APIRouter(include_in_schema=False)

BY = "mailed link"
LONGEST_SUBJECT, LONGEST_BODY, LONGEST_NOTE = 200, 20000, 2000
OFFERED = 300
"""So many of the library are listed to swap from."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What the facilitator's form says."""

    resource_ids: list[str]
    note: str
    subject: str
    body: str

    def swaps(self, request: JoinRequest) -> bool:
        """Are other resources, or another note, wanted in the letter?"""
        return self.resource_ids != request.resource_ids or self.note != request.draft_note.strip()

    def rewords(self, request: JoinRequest) -> bool:
        """Was the letter itself changed?"""
        return (self.subject, self.body) != (request.draft_subject.strip(), request.draft_body.strip())


@router.api_route("/welcome/{token}", methods=["GET", "HEAD"])
async def show_review(token: str, session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """The request, its draft and what can be done about it."""
    return await _review_page(session, parts, token, await _request(session, parts, token, now=now))


@router.post("/welcome/{token}")
async def post_review(token: str, form: FormDep, session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """Do what the pressed button says. For a request that was decided meanwhile: say so, change nothing."""
    request = await _request(session, parts, token, now=now, lock=True)
    if request.status != JoinRequestStatus.OPEN or not request.draft_body:
        return await _review_page(session, parts, token, request)
    given = _read(form)
    pressed = form.one("do")
    if pressed == "decline":
        await decline(session, request, by=BY, now=now)
        return await _review_page(session, parts, token, request)
    wrong: Sequence[Wrong] = _wrong(given, request) if pressed == "send" else []
    if not wrong and pressed in {"send", "rewrite"}:
        wrong = await _carry_out(session, parts, request, given, send=pressed == "send", now=now)
    if wrong:
        return await _review_page(session, parts, token, request, form=form, wrong=wrong)
    return await _review_page(session, parts, token, request, rewritten=pressed == "rewrite")


async def _request(session: AsyncSession, parts: Parts, token: str, *, now: datetime, lock: bool = False) -> JoinRequest:
    try:
        request_id = parts.links.join_request_of_welcome(token, now=now)
    except InvalidInput as error:
        raise NotFound(error.detail) from error
    request = await session.get(JoinRequest, request_id, with_for_update=lock)
    if request is None or not request.reason:  # never there, or the person was erased
        raise NotFound("We hold nothing under this link any more.")
    return request


def _read(form: Form) -> Posted:
    return Posted(
        resource_ids=list(dict.fromkeys(form.many("resource_ids"))),
        note=form.one("note"),
        subject=" ".join(form.one("subject").split()),
        body=form.one("body").replace("\x00", ""),
    )


def _wrong(given: Posted, request: JoinRequest) -> list[Wrong]:
    found = []
    if given.swaps(request) and given.rewords(request):
        text = "You chose other resources and changed the letter too. Press “Put these into the letter” first, or leave one as it was"
        found.append(Wrong("body", text))
    if not 0 < len(given.subject) <= LONGEST_SUBJECT:
        found.append(Wrong("subject", f"Give a subject of at most {LONGEST_SUBJECT} characters"))
    if not 0 < len(given.body) <= LONGEST_BODY:
        found.append(Wrong("body", f"Write a letter of at most {LONGEST_BODY} characters"))
    return found


async def _carry_out(
    session: AsyncSession, parts: Parts, request: JoinRequest, given: Posted, *, send: bool, now: datetime
) -> Sequence[Wrong]:
    """Change the draft as told, and send it; what has to be mended before."""
    try:
        chosen = [UUID(i) for i in given.resource_ids]
    except ValueError:
        return [Wrong("resources", "Choose from the list")]
    if len(chosen) > MOST_IN_LETTER:
        return [Wrong("resources", f"Choose at most {MOST_IN_LETTER} resources")]
    if len(given.note) > LONGEST_NOTE:
        return [Wrong("note", f"Make your note shorter: at most {LONGEST_NOTE} characters")]
    try:
        if given.swaps(request) or not send:
            await edit_draft(session, parts, request, Edits(resource_ids=chosen, note=given.note.replace("\x00", "")))
        elif given.rewords(request):
            await edit_draft(session, parts, request, Edits(subject=given.subject, body=given.body))
        if send:
            await approve(session, parts, request, by=BY, now=now)
    except (InvalidInput, Conflict) as error:
        text = error.problems[0].detail if error.problems else error.detail
        return [Wrong("resources", f"{text[:1].upper()}{text[1:]}")]
    return []


async def _review_page(
    session: AsyncSession,
    parts: Parts,
    token: str,
    request: JoinRequest,
    *,
    form: Form | None = None,
    wrong: Sequence[Wrong] = (),
    rewritten: bool = False,
) -> HTMLResponse:
    member = await get_member(session, request.member_id)
    library = await _library(session)
    matched = [str(m["resource_id"]) for m in request.matches]
    shown = [i for i in dict.fromkeys([*matched, *request.resource_ids]) if i in library]
    whys = {str(m["resource_id"]): str(m["why"]) for m in request.matches}
    kept = Form({"resource_ids": request.resource_ids, "note": [request.draft_note], "subject": [request.draft_subject]})
    return page(
        parts.settings,
        "review.html",
        status=422 if wrong else 200,
        token=token,
        request=request,
        member=member,
        letter_language=foreign_name(member.language),
        form=form or kept,
        body=form.one("body") if form else request.draft_body,
        wrong=wrong,
        rewritten=rewritten,
        shown=[(library[i], whys.get(i, "")) for i in shown],
        others=[resource for i, resource in library.items() if i not in shown],
        goes_by_itself=goes_by_itself_at(request.drafted_at, request.status, parts.settings),
        zone=parts.settings.zone,
    )


async def _library(session: AsyncSession) -> dict[str, Resource]:
    """What may be put into a letter, by id, in the order of titles."""
    query = select(Resource).where(col(Resource.active), Resource.link_problem == "")
    return {str(r.id): r for r in await session.exec(query.order_by(col(Resource.title)).limit(OFFERED))}
