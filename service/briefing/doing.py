"""Doing a task of the week, once its button was pressed. What is done is seen in the rows it changes: nothing is ticked by hand."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Literal

from service.auth.audit import record
from service.briefing.offers import due_nudge, offer_of, story_candidate, top_member
from service.briefing.people import claim, get_facilitator
from service.briefing.scene import name_of
from service.briefing.tasks import At, Done, Field
from service.engagement.models import Reply
from service.errors import Conflict, InvalidInput, NotFound
from service.invitations.actions import invite_by_facilitator, inviting_text
from service.newsletter.content import add_item, change_item
from service.newsletter.editions import approve_edition, change_edition, get_edition
from service.newsletter.proposals import propose
from service.newsletter.rules import ContentKind, ContentStatus
from service.newsletter.shapes import ContentCreate, ContentUpdate, EditionUpdate
from service.nudges.actions import run_nudges
from service.rendering import Draft
from service.stories.asking import ask_for_story
from service.topmembers.actions import ask_member, draft_question


async def do(at: At) -> Done:
    """Do what the pressed button says, with what was edited. Raises Conflict when it was done or became impossible meanwhile, InvalidInput
    for words that can't be used.
    """
    who = at.task.facilitator_id
    if who is not None and not (await get_facilitator(at.session, who)).active:
        raise Conflict("This link was made for somebody who is no facilitator any more.")
    offer = await offer_of(at)
    if at.pressed not in offer.buttons:
        raise InvalidInput("Press one of the buttons.")
    words = {field.name: _usable(field, at.words.get(field.name, "")) for field in offer.fields}
    return await _DOINGS[at.task.verb](replace(at, words=words))


def _usable(field: Field, text: str) -> str:
    if not text.strip():
        raise InvalidInput.field(field.name, f"{field.title} is empty")
    if len(text) > field.longest or "\x00" in text or (field.lines == 1 and "\n" in text):
        raise InvalidInput.field(field.name, f"{field.title} is longer than {field.longest} characters")
    return text.strip()


async def _answered(at: At) -> Done:
    reply = await at.session.get(Reply, at.task.subject_id(), with_for_update=True)
    if reply is None:
        raise NotFound("There is no such reply.")
    reply.answered_at, reply.answered_by = at.now, at.task.by[:100]
    at.session.add(reply)
    record(at.session, actor=at.task.by, action="answer_reply", subject_type="reply", subject_id=reply.id, now=at.now)
    return Done("Noted as answered", "It no longer waits for anybody.")


async def _approve(at: At) -> Done:
    edition = await approve_edition(at.session, at.task.subject_id(), by=at.task.by, now=at.now, settings=at.parts.settings)
    record(at.session, actor=at.task.by, action="approve_edition", subject_type="edition", subject_id=edition.id, now=at.now)
    return Done(f"Edition {edition.number} is approved", "It goes by itself at its time; until then it can be reopened.")


async def _invite(at: At) -> Done:
    invitation = await invite_by_facilitator(at.session, note="", by=at.task.by, now=at.now)
    text = inviting_text(at.parts, invitation).text
    return Done("Here is your text", "Send it from your own mailbox. The link in it is for this invitation alone.", text)


async def _claim(at: At) -> Done:
    if at.task.facilitator_id is None:
        raise Conflict("This link was made for nobody in particular, so nobody can take it on with it.")
    await claim(at.session, at.task.subject, at.task.facilitator_id, by=at.task.by, now=at.now)
    return Done("It is yours", "The others see that you have it.")


async def _propose(at: At) -> Done:
    edition = await get_edition(at.session, at.task.subject_id())
    proposal = await propose(at.session, edition, now=at.now)
    record(at.session, actor=at.task.by, action="propose_edition", subject_type="edition", subject_id=edition.id, now=at.now)
    if proposal.lead is None:
        return Done("There was nothing to lead with", "Accept a discussion, a piece of content or an activity first.")
    count = 1 + len(proposal.items) + len(proposal.announcements)
    return Done(f"Edition {edition.number} is filled", f"{count} items are in. {' '.join(proposal.lead.why)}")


async def _write(at: At) -> Done:
    edition = await get_edition(at.session, at.task.subject_id())
    if at.pressed == "question":
        await change_edition(at.session, edition.id, EditionUpdate(question=at.words["body"]), now=at.now)
    else:
        given = ContentCreate(kind=ContentKind.ANNOUNCEMENT, title=at.words["title"], summary=at.words["body"])
        item = await add_item(at.session, given, now=at.now)
        ids = [*edition.item_ids, str(item.id)]
        await change_edition(at.session, edition.id, EditionUpdate.model_validate({"item_ids": ids}), now=at.now)
    record(at.session, actor=at.task.by, action="change_edition", subject_type="edition", subject_id=edition.id, now=at.now)
    return Done("It is in", f"Edition {edition.number} has it now.")


async def _settle_item(at: At) -> Done:
    take = at.pressed == "accept"
    status: Literal[ContentStatus.ACCEPTED, ContentStatus.DROPPED] = ContentStatus.ACCEPTED if take else ContentStatus.DROPPED
    item = await change_item(at.session, at.task.subject_id(), ContentUpdate(status=status), now=at.now)
    record(at.session, actor=at.task.by, action="change_content", subject_type="content", subject_id=item.id, now=at.now)
    return Done("Taken for a newsletter" if take else "Dropped")


async def _mail(at: At) -> Done:
    member_id = at.task.subject_id()
    if at.task.verb == "ask":
        top = await top_member(at.session, member_id, now=at.now)
        draft = draft_question(at.parts, top)
        letter = Draft(at.words.get("subject", draft.subject), at.words.get("body", draft.body))
        await ask_member(at.session, at.parts, top, letter, by=at.task.by, now=at.now)
        return Done(f"The letter to {name_of(top.member)} is on its way", "The answer comes back to you and is kept with the question.")
    if at.task.verb == "story":
        candidate = await story_candidate(at.session, member_id, now=at.now)
        asked = await ask_for_story(at.session, at.parts, candidate.member, candidate.reason, by=at.task.by, now=at.now)
        return _gone(name_of(candidate.member), asked.why_not)
    found, draft = await due_nudge(at.session, at.parts, member_id, now=at.now)
    edits = {member_id: Draft(at.words.get("subject", draft.subject), at.words.get("body", draft.body))}
    results = await run_nudges(at.session, at.parts, now=at.now, by=at.task.by, member_ids=[member_id], edits=edits)
    why_not = next((f"{result.why_not} {result.detail}".strip() for result in results if result.why_not), "")
    return _gone(name_of(found.candidate.member), why_not)


def _gone(name: str, why_not: str) -> Done:
    if why_not:
        raise Conflict(f"No letter goes to {name}: {why_not}.".replace("_", " "))
    return Done(f"The letter to {name} is on its way", "It leaves at the next hour such letters may.")


_DOINGS: Mapping[str, Callable[[At], Awaitable[Done]]] = {
    "reply": _answered,
    "edition": _approve,
    "propose": _propose,
    "announce": _write,
    "question": _write,
    "item": _settle_item,
    "nudge": _mail,
    "ask": _mail,
    "story": _mail,
    "invite": _invite,
    "claim": _claim,
}
