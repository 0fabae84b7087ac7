"""A member's own page for a story: to tell it, to change its words, to say yes or no. Behind the signed link in the letter; no login."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from sqlmodel.ext.asyncio.session import AsyncSession

from service.deps import NowDep, PartsDep, SessionDep
from service.engagement.activity import record_by_hand
from service.engagement.rules import EngagementKind
from service.errors import InvalidInput, NotFound
from service.languages import said
from service.members.models import Member
from service.members.rules import MemberStatus
from service.pages.forms import Form, FormDep, Wrong
from service.pages.languages import prefer
from service.pages.looks import page
from service.parts import Parts
from service.stories.actions import add_story, change_story, get_story
from service.stories.asking import get_ask
from service.stories.models import StoryAsk
from service.stories.shapes import LONGEST_CHANGED, LONGEST_WORDS, StoryCreate, StoryUpdate
from service.tokens import Purpose

router = APIRouter(include_in_schema=False)

YES, YES_UNNAMED, NO = "named", "unnamed", "no"


@router.api_route("/story/{token}", methods=["GET", "HEAD"])
async def show_story(token: str, session: SessionDep, parts: PartsDep) -> HTMLResponse:
    """The words as they stand, or an empty page to tell it on."""
    ask = await _ask(session, parts, token)
    fields: dict[str, list[str]] = {}
    if ask.story_id is not None:
        story = await get_story(session, ask.story_id)
        answer = (YES if story.with_name else YES_UNNAMED) if story.may_be_shown else ""
        fields = {"text": [story.text], "what_changed": [story.what_changed], "share": [answer]}
    return _page(parts, token, Form(fields))


@router.post("/story/{token}")
async def post_story(token: str, form: FormDep, session: SessionDep, parts: PartsDep, now: NowDep) -> HTMLResponse:
    """Keep the words and the answer."""
    ask = await _ask(session, parts, token, lock=True)
    wrong = _wrong(form)
    if wrong:
        return _page(parts, token, form, wrong=wrong)
    share, by = form.one("share"), f"member:{ask.member_id}"
    may_share, with_name = share in (YES, YES_UNNAMED), share == YES
    words = {"text": form.one("text"), "what_changed": form.one("what_changed"), "may_share": may_share, "with_name": with_name}
    if ask.story_id is None:
        given = StoryCreate.model_validate({**words, "member_id": ask.member_id})
        ask.story_id = (await add_story(session, given, source="page", by=by, now=now)).id
        session.add(ask)
    else:
        await change_story(session, ask.story_id, StoryUpdate.model_validate(words), by=by, now=now)
    about = f"story:{ask.id}"
    await record_by_hand(session, EngagementKind.FORM, member_id=ask.member_id, about=about, at=now, now=now, source="page")
    return _page(parts, token, form, saved=True)


async def _ask(session: AsyncSession, parts: Parts, token: str, *, lock: bool = False) -> StoryAsk:
    try:
        ask_id: UUID = parts.links.id_behind(Purpose.STORY, token)
    except InvalidInput as error:
        raise NotFound(error.detail) from error
    ask = await get_ask(session, ask_id, lock=lock)
    member = await session.get(Member, ask.member_id)
    if member is None or member.status == MemberStatus.ERASED:
        raise NotFound(said("This link leads nowhere any more."))
    prefer(member.language)
    return ask


def _wrong(form: Form) -> list[Wrong]:
    found = []
    if not form.one("text"):
        found.append(Wrong("text", said("Tell us in a line or two what you did, or close this page")))
    for name, longest in (("text", LONGEST_WORDS), ("what_changed", LONGEST_CHANGED)):
        if len(form.one(name)) > longest or "\x00" in form.one(name):
            found.append(Wrong(name, said("Use at most %(most)s characters", most=longest)))
    if form.one("share") not in (YES, YES_UNNAMED, NO):
        found.append(Wrong("share", said("Choose whether others may read it")))
    return found


def _page(parts: Parts, token: str, form: Form, *, wrong: list[Wrong] | None = None, saved: bool = False) -> HTMLResponse:
    return page(
        parts.settings,
        "story.html",
        status=422 if wrong else 200,
        token=token,
        form=form,
        wrong=wrong or [],
        saved=saved,
        longest=LONGEST_WORDS,
        longest_changed=LONGEST_CHANGED,
    )
