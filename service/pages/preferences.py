"""The member's own page behind the signed link in every mail: what comes, what is measured, name, language, interests. No login."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from service.deps import NowDep, PartsDep, SessionDep
from service.errors import InvalidInput, NotFound
from service.languages import LANGUAGES
from service.members.models import Member
from service.members.rules import MemberStatus
from service.messages.rules import SuppressionPurpose
from service.pages.answers import GROUPS, read_preferences
from service.pages.consent_texts import PREFERENCES
from service.pages.forms import ClientIp, Form, FormDep, Wrong
from service.pages.join import offered_topics
from service.pages.languages import prefer, version_shown
from service.pages.looks import page
from service.parts import Parts
from service.welcome.leaving import member_with_preferences, save_preferences

router = APIRouter(include_in_schema=False)


def member_behind(parts: Parts, token: str) -> UUID:
    """Whose link this is. Raises NotFound."""
    try:
        return parts.links.member_of_preferences(token)
    except InvalidInput as error:
        raise NotFound(error.detail) from error


@router.api_route("/preferences/{token}", methods=["GET", "HEAD"])
async def show_preferences(token: str, session: SessionDep, parts: PartsDep) -> HTMLResponse:
    """What is kept now, to be changed."""
    member = await member_with_preferences(session, member_behind(parts, token))
    return await _preferences_page(session, parts, token, member)


@router.post("/preferences/{token}")
async def post_preferences(token: str, form: FormDep, session: SessionDep, parts: PartsDep, now: NowDep, ip: ClientIp) -> HTMLResponse:
    """Take the choices over."""
    member = await member_with_preferences(session, member_behind(parts, token))
    read = read_preferences(form, asks_measuring=parts.settings.tracking_on)
    if member.status != MemberStatus.SUBSCRIBED:
        return await _preferences_page(session, parts, token, member)
    if read.details is None:
        return await _preferences_page(session, parts, token, member, form=form, wrong=read.wrong)
    await save_preferences(
        session, parts, member.id, read.details, read.wanted, text_version=version_shown(PREFERENCES.version), now=now, ip=ip
    )
    return await _preferences_page(session, parts, token, member, saved=True)


async def _preferences_page(
    session: AsyncSession,
    parts: Parts,
    token: str,
    member: Member,
    *,
    form: Form | None = None,
    wrong: Sequence[Wrong] = (),
    saved: bool = False,
) -> HTMLResponse:
    if member.status != MemberStatus.SUBSCRIBED:
        return page(parts.settings, "not_on_the_list.html", standing=member.status)
    prefer(member.language)
    topics = await offered_topics(session)
    return page(
        parts.settings,
        "preferences.html",
        status=422 if wrong else 200,
        form=form or Form(_as_fields(member, topics)),
        wrong=wrong,
        saved=saved,
        token=token,
        asks_measuring=parts.settings.tracking_on,
        consent=PREFERENCES,
        topics=topics,
        groups=GROUPS,
        languages=LANGUAGES if member.language in LANGUAGES else {**LANGUAGES, member.language: member.language},
        leave_url=parts.links.unsubscribe(member.id, SuppressionPurpose.ALL),
    )


def _as_fields(member: Member, topics: Sequence[str]) -> Mapping[str, list[str]]:
    ticked = {name: bool(getattr(member, name)) for name in ("wants_newsletter", "wants_nudges", "allows_measuring", "may_be_named")}
    return {
        "first_name": [member.first_name],
        "last_name": [member.last_name],
        "language": [member.language],
        "newsletter_rhythm": [member.newsletter_rhythm],
        "leadership_roles": member.leadership_roles,
        "interests": [interest for interest in member.interests if interest in topics],
        "more_interests": [", ".join(interest for interest in member.interests if interest not in topics)],
        **{name: ["yes"] for name, on in ticked.items() if on},
    }
