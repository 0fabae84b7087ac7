"""Joining: the page that asks, and the page behind the confirmation link. A GET never changes anything: link scanners follow links."""

from collections.abc import Mapping, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.deps import NowDep, PartsDep, SessionDep
from service.errors import Conflict, InvalidInput, NotFound
from service.invitations.actions import invitation_behind
from service.languages import LANGUAGES
from service.members.models import JoinRequest, Member, Organisation
from service.members.rules import JoinRequestStatus, MemberStatus
from service.members.shapes import LONGEST_REASON
from service.members.standing import get_member
from service.pages.answers import GROUPS, SHORTEST_REASON, read_join
from service.pages.consent_texts import join_text
from service.pages.forms import ClientIp, Form, FormDep, Wrong
from service.pages.languages import prefer, version_shown
from service.pages.looks import page
from service.parts import Parts
from service.resources.models import Resource
from service.tokens import CONFIRM_MAX_AGE, Purpose
from service.welcome.joining import ask_to_join, confirm_join

router = APIRouter(include_in_schema=False)

PEOPLE_BEFORE_NAMED = 3
"""An organisation is offered as one types once so many people on the list belong to it: its name then tells of nobody in particular."""
OFFERED_ORGANISATIONS = 300
OFFERED_TOPICS = 12
LONGEST_INTEREST = 60


@router.api_route("/join", methods=["GET", "HEAD"])
async def show_join(session: SessionDep, parts: PartsDep, by: Annotated[str, Query(max_length=300)] = "") -> HTMLResponse:
    """The join page, empty. `by` is the invitation the person follows; one that leads nowhere keeps nobody from joining."""
    return await _join_page(session, parts, Form({"by": [by]} if invitation_behind(parts, by) else {}), [])


@router.post("/join")
async def post_join(form: FormDep, session: SessionDep, parts: PartsDep, now: NowDep, ip: ClientIp) -> HTMLResponse:
    """Keep the answers; the page afterwards is the same for every address, and for a machine that filled in the hidden field."""
    asks_measuring = parts.settings.tracking_on
    read = read_join(form, asks_measuring=asks_measuring)
    if read.answers is None:
        return await _join_page(session, parts, form, read.wrong)
    if not read.left_by_machine:
        version = version_shown(join_text(asks_measuring=asks_measuring).version)
        invitation_id = invitation_behind(parts, form.one("by"))
        await ask_to_join(session, parts, read.answers, ip=ip, text_version=version, now=now, invitation_id=invitation_id)
    return page(parts.settings, "join_asked.html", email=read.answers.email, days=CONFIRM_MAX_AGE.days)


async def _join_page(session: AsyncSession, parts: Parts, form: Form, wrong: Sequence[Wrong]) -> HTMLResponse:
    return page(
        parts.settings,
        "join.html",
        status=422 if wrong else 200,
        form=form,
        wrong=wrong,
        consent=join_text(asks_measuring=parts.settings.tracking_on),
        organisations=await _known_organisations(session),
        topics=await offered_topics(session),
        groups=GROUPS,
        languages=LANGUAGES,
        shortest=SHORTEST_REASON,
        longest=LONGEST_REASON,
    )


async def _known_organisations(session: AsyncSession) -> Sequence[str]:
    """Names of organisations with several people on the list, by name."""
    query = (
        select(Organisation.name)
        .join(Member, col(Member.organisation_id) == col(Organisation.id))
        .where(Member.status == MemberStatus.SUBSCRIBED, col(Organisation.merged_into_id).is_(None))
        .group_by(col(Organisation.id), col(Organisation.name))
        .having(func.count() >= PEOPLE_BEFORE_NAMED)
        .order_by(col(Organisation.name))
        .limit(OFFERED_ORGANISATIONS)
    )
    return (await session.exec(query)).all()


async def offered_topics(session: AsyncSession) -> list[str]:
    """The topics the library knows most about, to be ticked as interests."""
    counts: dict[str, int] = {}
    for topics in await session.exec(select(Resource.topics).where(col(Resource.active).is_(True))):
        for topic in topics:
            if len(topic) <= LONGEST_INTEREST:
                counts[topic] = counts.get(topic, 0) + 1
    return sorted(sorted(counts, key=lambda topic: (-counts[topic], topic))[:OFFERED_TOPICS])


@router.api_route("/confirm/{token}", methods=["GET", "HEAD"])
async def show_confirm(token: str, session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """What is about to be confirmed, and the button."""
    try:
        request_id = UUID(hex=parts.tokens.read_timed(Purpose.CONFIRM, token, now=now, max_age=CONFIRM_MAX_AGE))
    except (InvalidInput, ValueError):
        return _cannot_confirm(parts)
    request = await session.get(JoinRequest, request_id)
    if request is None or request.status == JoinRequestStatus.EXPIRED:
        return _cannot_confirm(parts)
    prefer(request.answers.get("language"))
    if request.confirmed_at is not None:
        return page(parts.settings, "confirmed.html", again=True)
    return page(parts.settings, "confirm.html", token=token, answers=_shown(request.answers), reason=request.reason)


def _shown(answers: Mapping[str, object]) -> dict[str, str]:
    told = {name: answers.get(name) for name in ("first_name", "last_name", "organisation", "profession")}
    return {name: str(value) if value else "" for name, value in told.items()}


@router.post("/confirm/{token}")
async def post_confirm(token: str, session: SessionDep, parts: PartsDep, now: NowDep, ip: ClientIp) -> HTMLResponse:
    """The person pressed the button: they are in. Pressing twice is as good as once."""
    try:
        request_id = UUID(hex=parts.tokens.read_timed(Purpose.CONFIRM, token, now=now, max_age=CONFIRM_MAX_AGE))
        request = await confirm_join(session, parts, request_id, ip=ip, now=now)
    except (InvalidInput, ValueError, NotFound, Conflict):
        return _cannot_confirm(parts)
    prefer((await get_member(session, request.member_id)).language)
    if request.confirmed_at is None:
        return _cannot_confirm(parts)
    return page(parts.settings, "confirmed.html", again=False)


def _cannot_confirm(parts: Parts) -> HTMLResponse:
    return page(parts.settings, "confirm_too_late.html", status=404, days=CONFIRM_MAX_AGE.days)
