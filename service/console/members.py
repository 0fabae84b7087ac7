"""Members: found, looked at as one whole story, changed, stopped, erased; and the list as a file."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from service.auth.access import need
from service.auth.audit import record
from service.auth.rules import Scope
from service.console.access import ConsoleRoute, DeskDep, OwnForm
from service.console.desk import Desk, wrongs
from service.console.inside import Json
from service.console.moments import moments_of
from service.console.people import may_sign_in
from service.console.words import GROUPS
from service.errors import InvalidInput, ServiceError
from service.languages import LANGUAGES
from service.members.rules import LeadershipRole, MemberStatus
from service.members.transfer_export import export_members
from service.messages.rules import SuppressionPurpose, SuppressionReason
from service.messages.suppressions import suppress
from service.pages.forms import Form, Wrong

router = APIRouter(prefix="/members", route_class=ConsoleRoute)
HERE = "/console/members"
Words = Annotated[str, Query(max_length=200)]
STATUSES = {str(s): str(s) for s in MemberStatus if s is not MemberStatus.ERASED} | {"cleaned": "unreachable"}
CONSENTS = ("wants_newsletter", "wants_nudges", "allows_measuring")
ERASE_WORD = "erase"
LABELS = {"email": "Address", "q": "Search", "joined_at": "Joined"}


@router.get("")
async def members(
    desk: DeskDep, q: Words = "", status: Words = "", organisation: Words = "", role: Words = "", lapsed: Words = "", cursor: Words = ""
) -> Response:
    """Members that all the filters fit."""
    wanted = {"q": q, "status": status, "organisation": organisation, "role": role, "lapsed": "true" if lapsed else ""}
    found = await desk.api.get("/members", cursor=cursor, **wanted)
    values = {"found": found, "form": Form({name: [value] for name, value in wanted.items() if value}), "wanted": wanted}
    if desk.is_partial:
        return desk.part("_members.html", **values)
    return await desk.page("members.html", here=HERE, statuses=STATUSES, groups=GROUPS, **values)


@router.get("/export.csv")
async def export(desk: DeskDep) -> Response:
    """All members but those who were erased, to be imported again or opened in a spreadsheet."""
    headers = {"Content-Disposition": 'attachment; filename="members.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(export_members(desk.parts.database), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/new")
async def new(desk: DeskDep) -> Response:
    """Somebody to be added by hand."""
    return await desk.page("member_new.html", here=HERE, form=Form({"language": ["en"]}), languages=LANGUAGES)


@router.post("")
async def add(desk: DeskDep, form: OwnForm) -> Response:
    """Add somebody. Without evidence of consent they stay pending, as the API has it."""
    fields = ("email", "first_name", "last_name", "profession", "join_reason")
    body: dict[str, object] = {name: form.one(name) for name in fields}
    body |= {"organisation": form.one("organisation") or None}
    if form.ticked("agreed"):
        body["consent"] = {"source": form.one("consent_source") or "facilitator", "at": desk.now.isoformat()}
    try:
        made = await desk.api.post("/members", body)
    except ServiceError as error:
        return await desk.page("member_new.html", here=HERE, code=422, form=form, wrong=wrongs(error, LABELS), languages=LANGUAGES)
    return desk.to(f"{HERE}/{made['id']}", done="added")


@router.get("/{member_id}")
async def member(member_id: UUID, desk: DeskDep) -> Response:
    """One person's whole story."""
    return await _story(desk, member_id)


async def _story(desk: Desk, member_id: UUID, *, wrong: tuple[Wrong, ...] = ()) -> HTMLResponse:
    found = await desk.api.get(f"/members/{member_id}")
    async with desk.parts.database.reading() as session:
        signs_in = desk.me.is_admin and await may_sign_in(session, found["email"])
    return await desk.page(
        "member.html",
        here=HERE,
        code=422 if wrong else 200,
        member=found,
        signs_in=signs_in,
        engagement=await desk.api.get(f"/members/{member_id}/engagement"),
        moments=await moments_of(desk, member_id),
        erase_word=ERASE_WORD,
        wrong=wrong,
    )


@router.get("/{member_id}/data")
async def data(member_id: UUID, desk: DeskDep) -> Response:
    """Everything held about one person, to be read and printed; that it was read is noted."""
    return HTMLResponse(await desk.api.text(f"/members/{member_id}/data", format="html"))


def _form_of(found: Json) -> Form:
    fields: dict[str, list[str]] = {name: [found[name] or ""] for name in ("email", "first_name", "last_name", "profession", "language")}
    fields |= {"organisation": [found["organisation"] or ""], "timezone": [found["timezone"]], "join_reason": [found["join_reason"]]}
    fields |= {"interests": [", ".join(found["interests"])], "leadership_roles": found["leadership_roles"]}
    return Form(fields | {name: ["yes"] for name in CONSENTS if found[name]})


async def _edit_page(desk: Desk, member_id: UUID, form: Form, error: ServiceError | None = None) -> HTMLResponse:
    found = await desk.api.get(f"/members/{member_id}")
    languages: Mapping[str, str] = LANGUAGES if found["language"] in LANGUAGES else {**LANGUAGES, found["language"]: found["language"]}
    wrong = wrongs(error, LABELS) if error else ()
    return await desk.page(
        "member_edit.html",
        here=HERE,
        code=422 if error else 200,
        member=found,
        form=form,
        wrong=wrong,
        groups={role.value: GROUPS[role.value] for role in LeadershipRole},
        languages=languages,
    )


@router.get("/{member_id}/edit")
async def edit(member_id: UUID, desk: DeskDep) -> Response:
    """What is kept, to be changed."""
    return await _edit_page(desk, member_id, _form_of(await desk.api.get(f"/members/{member_id}")))


@router.post("/{member_id}/edit")
async def save(member_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Keep what was really changed."""
    before = _form_of(await desk.api.get(f"/members/{member_id}"))
    texts = ("email", "first_name", "last_name", "profession", "language", "timezone", "join_reason")
    changes: dict[str, object] = {name: form.one(name) for name in texts if form.one(name) != before.one(name)}
    if form.one("organisation") != before.one("organisation"):
        changes["organisation"] = form.one("organisation") or None
    if form.one("interests") != before.one("interests"):
        changes["interests"] = [part.strip() for part in form.one("interests").split(",") if part.strip()]
    if form.many("leadership_roles") != before.many("leadership_roles"):
        changes["leadership_roles"] = form.many("leadership_roles")
    changes |= {name: form.ticked(name) for name in CONSENTS if form.ticked(name) != before.ticked(name)}
    try:
        await desk.api.patch(f"/members/{member_id}", changes)
    except ServiceError as error:
        return await _edit_page(desk, member_id, form, error)
    return desk.to(f"{HERE}/{member_id}", done="saved")


@router.post("/{member_id}/stop")
async def stop(member_id: UUID, desk: DeskDep, _form: OwnForm) -> Response:
    """No more mail to this address, by the facilitator's hand; the person may come back by joining again."""
    need(desk.api.caller, Scope.EDIT)
    found = await desk.api.get(f"/members/{member_id}")
    async with desk.parts.database.transaction() as session:
        await suppress(
            session,
            found["email"],
            purpose=SuppressionPurpose.ALL,
            reason=SuppressionReason.MANUAL,
            source="console",
            now=desk.now,
        )
        record(session, actor=desk.me.actor, action="suppress", subject_type="member", subject_id=member_id, now=desk.now)
    return desk.to(f"{HERE}/{member_id}", done="suppressed")


@router.post("/{member_id}/erase")
async def erase(member_id: UUID, desk: DeskDep, form: OwnForm) -> Response:
    """Gone for good, once the word is typed."""
    if form.one("word").lower() != ERASE_WORD:
        return await _story(desk, member_id, wrong=(Wrong("word", f"Type the word {ERASE_WORD} to erase this person"),))
    try:
        await desk.api.post(f"/members/{member_id}/erase")
    except InvalidInput as error:
        return await _story(desk, member_id, wrong=(Wrong("word", error.detail),))
    return desk.to(f"{HERE}/{member_id}", done="erased")
