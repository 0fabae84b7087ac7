"""Routes for value stories: told, edited, asked for, offered as content."""

from uuid import UUID

from fastapi import APIRouter
from sqlmodel import col, select

from service.auth.access import SENDS, CallerDep
from service.auth.audit import record
from service.deps import NowDep, Page, PageDep, PartsDep, SessionDep, page_of
from service.errors import InvalidInput
from service.members.models import Member
from service.newsletter.shapes import ContentPublic
from service.stories.actions import add_story, change_story, get_story, offer_as_content
from service.stories.asking import ask_about_words, ask_for_story, reason_of
from service.stories.models import Story
from service.stories.shapes import StoryAskCreate, StoryAsked, StoryAskedList, StoryCreate, StoryPublic, StoryUpdate

router = APIRouter(tags=["stories"])


def _public(story: Story) -> StoryPublic:
    return StoryPublic.model_validate(story, from_attributes=True)


@router.get("/stories")
async def list_stories(
    session: SessionDep, page: PageDep, member_id: UUID | None = None, may_share: bool | None = None
) -> Page[StoryPublic]:
    """Stories, newest first."""
    query = select(Story)
    if member_id is not None:
        query = query.where(Story.member_id == member_id)
    if may_share is not None:
        query = query.where(col(Story.may_share).is_(may_share))
    return await page_of(session, query, col(Story.id), page, StoryPublic)


@router.post("/stories", status_code=201)
async def create_story(body: StoryCreate, session: SessionDep, now: NowDep, caller: CallerDep) -> StoryPublic:
    """Keep a story as told: its words, or the `reply_id` of the reply that holds them."""
    story = await add_story(session, body, source="api", by=caller.name, now=now)
    record(session, actor=caller.name, action="add_story", subject_type="story", subject_id=story.id, now=now, may_share=story.may_share)
    return _public(story)


@router.post("/stories/ask", openapi_extra=SENDS)
async def ask_for_stories(body: StoryAskCreate, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep) -> StoryAskedList:
    """Ask members for their story by mail, after an event or a reply of theirs; answers what is on its way, or why not."""
    reason = await reason_of(session, body.event_id, body.reply_id)
    asked = []
    for place, member_id in enumerate(dict.fromkeys(body.member_ids)):
        member = await session.get(Member, member_id)
        if member is None:
            raise InvalidInput.field(f"member_ids/{place}", "there is no such member")
        asked.append(await ask_for_story(session, parts, member, reason, by=caller.name, now=now))
    return StoryAskedList(items=asked)


@router.get("/stories/{story_id}")
async def show_story(story_id: UUID, session: SessionDep) -> StoryPublic:
    """One story."""
    return _public(await get_story(session, story_id))


@router.patch("/stories/{story_id}")
async def update_story(story_id: UUID, body: StoryUpdate, session: SessionDep, now: NowDep, caller: CallerDep) -> StoryPublic:
    """Edit a story. Changed words are shown nowhere until the member agrees to them: ask with `/check`, or send `may_share` true along
    when they told you."""
    story = await change_story(session, story_id, body, by=caller.name, now=now)
    fields = sorted(body.model_fields_set)
    record(session, actor=caller.name, action="change_story", subject_type="story", subject_id=story.id, now=now, fields=fields)
    return _public(story)


@router.post("/stories/{story_id}/check", openapi_extra=SENDS)
async def check_words(story_id: UUID, session: SessionDep, parts: PartsDep, now: NowDep, caller: CallerDep) -> StoryAsked:
    """Mail the member the words as they stand, with a page to change them and to say yes or no."""
    return await ask_about_words(session, parts, story_id, by=caller.name, now=now)


@router.post("/stories/{story_id}/offer", status_code=201)
async def offer_story(story_id: UUID, session: SessionDep, now: NowDep, caller: CallerDep) -> ContentPublic:
    """Make it an accepted content item for the newsletter; needs the member's yes to its words."""
    item = await offer_as_content(session, story_id, now=now)
    record(session, actor=caller.name, action="offer_story", subject_type="story", subject_id=story_id, now=now)
    return ContentPublic.model_validate(item, from_attributes=True)
