"""A member's own link to pass on, fetched from their preference page. Nobody is mailed: they send it themselves, to people they know."""

from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from service.deps import NowDep, PartsDep, SessionDep
from service.engagement.activity import record_by_hand
from service.engagement.rules import EngagementKind
from service.invitations.actions import inviting_text, own_invitation
from service.members.rules import MemberStatus
from service.pages.languages import prefer, spoken
from service.pages.looks import page
from service.pages.preferences import member_behind
from service.welcome.leaving import member_with_preferences

router = APIRouter(include_in_schema=False)


@router.post("/preferences/{token}/invitation")
async def fetch_invitation(token: str, session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """The link, and lines to send it with; pressing again shows the same."""
    member = await member_with_preferences(session, member_behind(parts, token), lock=True)
    if member.status != MemberStatus.SUBSCRIBED:
        return page(parts.settings, "not_on_the_list.html", standing=member.status)
    prefer(member.language)
    invitation = await own_invitation(session, member, now=now)
    about = f"invitation:{invitation.id}"
    await record_by_hand(session, EngagementKind.FORM, member_id=member.id, about=about, at=now, now=now, source="page")
    told = inviting_text(parts, invitation, language=spoken().code)
    mail_url = f"mailto:?subject={quote(told.subject)}&body={quote(told.text)}"
    link = parts.links.invitation(invitation.id)
    return page(parts.settings, "invitation.html", link=link, told=told, mail_url=mail_url, token=token)
