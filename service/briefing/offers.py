"""What each task of the week would do, as it is put to the facilitator before they press the button. Changes nothing."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.briefing.scene import name_of
from service.briefing.tasks import At, Field, Offer
from service.engagement.models import Reply
from service.errors import Conflict, NotFound
from service.events.actions import coming_events
from service.languages import said_at
from service.leadership.rules import agenda_prompt
from service.members.models import Member
from service.members.standing import get_member
from service.newsletter.content import get_item
from service.newsletter.editions import content_findings, get_edition, items_of
from service.newsletter.hints import Level
from service.newsletter.models import ContentItem
from service.newsletter.rules import ContentKind, ContentStatus, EditionStatus
from service.newsletter.words import item_text, markdown_of
from service.nudges.actions import NudgeResult, decide_nudges, put_in_words
from service.parts import Parts
from service.rendering import Draft, from_plain
from service.stories.asking import Candidate as StoryCandidate
from service.stories.asking import draft_request, story_candidates
from service.topmembers.actions import TopMember, draft_question, top_members

MOST = 500


async def offer_of(at: At) -> Offer:
    """The task as it is put. Raises NotFound for one that is no more, Conflict for one that can't be done any more, with the reason."""
    if at.task.verb in ALWAYS:
        return ALWAYS[at.task.verb]
    if at.task.verb not in _OFFERS:
        raise NotFound("This link leads nowhere any more.")
    return await _OFFERS[at.task.verb](at)


ALWAYS = {
    "invite": Offer(
        "Invite somebody",
        ("You get a text with a link of its own, to send from your own mailbox to people you know.", "You see who joins by it."),
        buttons={"invite": "Make the link and the text"},
    ),
    "claim": Offer(
        "I'll do this one", ("The others see that you have it, until it is done or you are away.",), buttons={"claim": "I take it"}
    ),
}


async def _reply(at: At) -> Offer:
    reply = await at.session.get(Reply, at.task.subject_id())
    if reply is None:
        raise NotFound("There is no such reply.")
    member = await at.session.get(Member, reply.member_id) if reply.member_id else None
    if reply.answered_at is not None:
        raise Conflict("This reply has its answer.")
    told = [f"It waits for you to look at it: {reply.held_reason}."] if reply.held_reason else []
    answer = f"mailto:{quote(reply.from_email)}?subject={quote(_answer_to(reply.subject))}" if reply.from_email else ""
    return Offer(
        f"{name_of(member)} wrote",
        (*told, "Answer from your own mailbox; then say here that you have."),
        quote=reply.text,
        buttons={"answered": "I have answered"},
        link=answer,
        link_words="Write the answer",
    )


def _answer_to(subject: str) -> str:
    return subject if subject.lower().startswith("re:") else f"Re: {subject}"


async def _edition(at: At) -> Offer:
    edition = await get_edition(at.session, at.task.subject_id())
    if edition.status != EditionStatus.DRAFT:
        raise Conflict(f"Edition {edition.number} is {edition.status}: there is nothing to approve.")
    items = await items_of(at.session, edition)
    lacks = [f.detail for f in content_findings(edition, items) if f.level is Level.ERROR]
    lead = [i.title for i in items if str(i.id) == edition.lead_item_id]
    others = [i.title for i in items if str(i.id) != edition.lead_item_id]
    told = (
        f"Subject: {edition.subject or '(none yet)'}",
        f"It leads with: {lead[0] if lead else '(nothing yet)'}",
        *([f"And: {'; '.join(others)}"] if others else []),
        *([f"It asks: {edition.question}"] if edition.question else []),
        *lacks,
    )
    goes = edition.scheduled_for.astimezone(at.parts.settings.zone) if edition.scheduled_for else None
    when = said_at(goes) if goes else "at a time you set"
    return Offer(
        f"Edition {edition.number} goes {when}",
        told,
        buttons={} if lacks else {"approve": "Approve it"},
        link=at.parts.links.page(f"/console/newsletter/{edition.id}"),
        link_words="Read and change it in the console",
    )


async def _propose(at: At) -> Offer:
    edition = await _draft(at)
    told = (
        "Kindling fills it with the best of the accepted items: one lead, up to six items, the announcements.",
        f"What is in it now ({len(edition[1])}) is looked at again with the others. You can change everything afterwards.",
    )
    return Offer(f"Fill edition {edition[0]}", told, buttons={"propose": "Fill it"})


async def _draft(at: At) -> tuple[int, list[ContentItem]]:
    edition = await get_edition(at.session, at.task.subject_id())
    if edition.status != EditionStatus.DRAFT:
        raise Conflict(f"Edition {edition.number} is {edition.status} and can't be changed.")
    return edition.number, await items_of(at.session, edition)


async def _announce(at: At) -> Offer:
    number, _ = await _draft(at)
    events = await coming_events(at.session, now=at.now)
    query = select(ContentItem).where(ContentItem.kind == ContentKind.ANNOUNCEMENT, ContentItem.status != ContentStatus.DROPPED)
    last = (await at.session.exec(query.order_by(col(ContentItem.updated_at).desc(), col(ContentItem.id)).limit(1))).first()
    title, text = (last.title, markdown_of(last.summary, last.summary_format)) if last is not None else ("", "")
    if events:
        here = events[0].starts_at.astimezone(at.parts.settings.zone)
        title, text = events[0].title, f"{said_at(here)}. {from_plain(events[0].description)}".strip()
    fields = (Field("title", "Title", title[:200]), Field("body", "A few lines", text[:1000], lines=4, longest=1000))
    told = ("The next event is put in for you.",) if events else ("The last announcement is put in for you.",) if last else ()
    return Offer(f"The announcement of edition {number}", told, fields=fields, buttons={"announce": "Put it in"})


async def _question(at: At) -> Offer:
    number, _ = await _draft(at)
    _, prompt = agenda_prompt(at.now.astimezone(at.parts.settings.zone).date(), [])
    field = Field("body", "The question", prompt, lines=2, longest=500)
    return Offer(
        f"A question for edition {number}",
        ("One question people can answer in two lines.",),
        fields=(field,),
        buttons={"question": "Put it in"},
    )


async def _item(at: At) -> Offer:
    item = await get_item(at.session, at.task.subject_id())
    if item.status != ContentStatus.COLLECTED:
        raise Conflict(f"This item is {item.status}.")
    told = (f"From {item.source}",) if item.source else ()
    buttons = {"accept": "Take it for a newsletter", "drop": "Drop it"}
    return Offer(item.title, told, quote=item_text(item), buttons=buttons, link=item.url, link_words="Read it")


async def due_nudge(session: AsyncSession, parts: Parts, member_id: UUID, *, now: datetime) -> tuple[NudgeResult, Draft]:
    """What is due for a member who has not returned, with its letter. Raises NotFound, and Conflict with the reason why nothing is."""
    member = await get_member(session, member_id)
    results = await put_in_words(session, parts, await decide_nudges(session, parts, now=now, member_ids=[member_id]), now=now)
    found = results[0] if results else None
    if found is None or found.draft is None:
        why = f" ({found.why_not}: {found.detail})".replace("_", " ") if found else ""
        raise Conflict(f"No letter goes to {name_of(member)} now{why}.")
    return found, found.draft


async def _nudge(at: At) -> Offer:
    found, draft = await due_nudge(at.session, at.parts, at.task.subject_id(), now=at.now)
    member, told = found.candidate.member, (found.candidate.decision.why, *([found.detail] if found.detail else []))
    return Offer(f"A letter to {name_of(member)}", told, fields=_letter(draft), buttons={"nudge": "Send it"})


async def top_member(session: AsyncSession, member_id: UUID, *, now: datetime) -> TopMember:
    """The top member a question is for. Raises Conflict when they are none any more, or were asked lately."""
    for top in await top_members(session, now=now, limit=MOST):
        if top.member.id == member_id:
            return top
    raise Conflict("This member was asked lately, or is not among the top members any more.")


async def _ask(at: At) -> Offer:
    top = await top_member(at.session, at.task.subject_id(), now=at.now)
    return Offer(
        f"A question to {name_of(top.member)}", (top.why,), fields=_letter(draft_question(at.parts, top)), buttons={"ask": "Send it"}
    )


def _letter(draft: Draft) -> tuple[Field, ...]:
    return Field("subject", "Subject", draft.subject), Field("body", "The letter", draft.body, lines=14, longest=20000)


async def story_candidate(session: AsyncSession, member_id: UUID, *, now: datetime) -> StoryCandidate:
    """The member who may have a story. Raises Conflict when they were asked lately or there is no cause any more."""
    for candidate in await story_candidates(session, now=now):
        if candidate.member.id == member_id:
            return candidate
    raise Conflict("This member was asked for a story lately, or the cause is too long ago.")


async def _story(at: At) -> Offer:
    candidate = await story_candidate(at.session, at.task.subject_id(), now=at.now)
    draft = draft_request(at.parts, candidate.member, candidate.reason, at.parts.links.page("/story/..."))
    told = (f"Subject: {draft.subject}", "The link in it is theirs alone.")
    return Offer(f"Ask {name_of(candidate.member)} for a story", told, quote=draft.body, buttons={"story": "Send it"})


_OFFERS: Mapping[str, Callable[[At], Awaitable[Offer]]] = {
    "reply": _reply,
    "edition": _edition,
    "propose": _propose,
    "announce": _announce,
    "question": _question,
    "item": _item,
    "nudge": _nudge,
    "ask": _ask,
    "story": _story,
}
