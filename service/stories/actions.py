"""Stories: told, edited, agreed to, offered as content."""

from datetime import datetime
from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.engagement.models import Reply
from service.errors import Conflict, InvalidInput, NotFound
from service.members.models import Member
from service.newsletter.models import ContentItem
from service.newsletter.rules import ContentKind, ContentStatus
from service.resources.models import LearningActivity
from service.stories.models import Story
from service.stories.shapes import StoryCreate, StoryUpdate

LONGEST_SUMMARY = 5000
WORDS = ("title", "text", "what_changed")


async def get_story(session: AsyncSession, story_id: UUID, *, lock: bool = False) -> Story:
    """The story. Raises NotFound."""
    story = await session.get(Story, story_id, with_for_update=lock, populate_existing=lock)
    if story is None:
        raise NotFound("There is no such story.")
    return story


async def add_story(session: AsyncSession, given: StoryCreate, *, source: str, by: str, now: datetime) -> Story:
    """Keep a story as told. Raises InvalidInput for a member or reply nobody knows, Conflict for a reply that is a story already."""
    member_id, text = given.member_id, given.text
    if given.reply_id is not None:
        reply = await session.get(Reply, given.reply_id)
        if reply is None:
            raise InvalidInput.field("reply_id", "there is no such reply")
        if (await session.exec(select(Story.id).where(Story.reply_id == reply.id))).first() is not None:
            raise Conflict("This reply was made a story already.")
        member_id, text = member_id or reply.member_id, text or reply.text.strip()[:10000]
    if not text:
        raise InvalidInput.field("text", "give the story's words, or the reply_id of a reply that holds them")
    if member_id is not None and await session.get(Member, member_id) is None:
        raise InvalidInput.field("member_id", "there is no such member")
    story = Story(
        member_id=member_id,
        title=given.title,
        text=text,
        what_changed=given.what_changed,
        reply_id=given.reply_id,
        source=source,
        words_changed_at=now,
        created_at=now,
        updated_at=now,
    )
    note_answer(story, may_share=given.may_share, with_name=given.with_name, by=by, now=now)
    session.add(story)
    await session.flush()
    return story


def note_answer(story: Story, *, may_share: bool, with_name: bool, by: str, now: datetime) -> None:
    """The member said yes or no to the words as they stand. A no is kept as well as a yes."""
    story.may_share, story.with_name, story.updated_at = may_share, may_share and with_name, now
    story.agreed_at, story.agreed_by = (now, by) if may_share else (None, "")


async def withdraw_item(session: AsyncSession, story: Story, *, now: datetime) -> None:
    """A story that may not be shown as it is waits in no newsletter; one that has gone out stays in its record."""
    item = await session.get(ContentItem, story.content_item_id) if story.content_item_id and not story.may_be_shown else None
    if item is None:
        return
    story.content_item_id = None
    session.add(story)
    if item.status != ContentStatus.USED:
        item.status, item.updated_at = ContentStatus.DROPPED, now
        session.add(item)


async def change_story(session: AsyncSession, story_id: UUID, given: StoryUpdate, *, by: str, now: datetime) -> Story:
    """Change what is given. Changed words wait for a new yes, unless `may_share` true comes with them. Raises NotFound, InvalidInput."""
    story = await get_story(session, story_id, lock=True)
    changes = given.model_dump(exclude_unset=True)
    for name, value in changes.items():
        if value is None:
            raise InvalidInput.field(name, "can't be null; leave it out to keep it")
    if any(name in changes and changes[name] != getattr(story, name) for name in WORDS):
        story.words_changed_at = now
    for name in WORDS:
        setattr(story, name, changes.get(name, getattr(story, name)))
    if "may_share" in changes:
        note_answer(story, may_share=changes["may_share"], with_name=changes.get("with_name", story.with_name), by=by, now=now)
    elif "with_name" in changes:
        story.with_name = changes["with_name"] and story.may_share
    story.updated_at = now
    session.add(story)
    await withdraw_item(session, story, now=now)
    return story


async def offer_as_content(session: AsyncSession, story_id: UUID, *, now: datetime) -> ContentItem:
    """An accepted content item of the story's words; the same one when it is there already. Raises NotFound, and Conflict without the
    member's yes to these words."""
    story = await get_story(session, story_id, lock=True)
    if not story.may_be_shown:
        raise Conflict("The member has not agreed to these words. Ask them first; then it can be offered.")
    known = await session.get(ContentItem, story.content_item_id) if story.content_item_id else None
    if known is not None:
        return known
    item = ContentItem(
        kind=ContentKind.CONTENT,
        title=story.title or f"What changed: {story.text[:80]}".split("\n")[0][:200],
        summary="\n\n".join(part for part in (story.text, story.what_changed) if part)[:LONGEST_SUMMARY],
        source=await teller_of(session, story),
        status=ContentStatus.ACCEPTED,
        activities=[LearningActivity.SHARING],
        created_at=now,
        updated_at=now,
    )
    session.add(item)
    await session.flush()
    story.content_item_id, story.updated_at = item.id, now
    session.add(story)
    return item


async def teller_of(session: AsyncSession, story: Story) -> str:
    """Whose story it is, in the words the member allowed."""
    member = await session.get(Member, story.member_id) if story.member_id and story.with_name else None
    return f"{member.first_name} {member.last_name}".strip() if member is not None else "A member of the community"
