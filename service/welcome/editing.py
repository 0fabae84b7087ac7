"""Changing a drafted welcome before it goes: other resources, a note, other words. The API, the console and the mailed link use it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from service.errors import InvalidInput
from service.members.models import JoinRequest
from service.parts import Parts
from service.welcome.drafts import chosen_resources, redraft


@dataclass(frozen=True, slots=True)
class Edits:
    """What to change; None stays as drafted. `resource_ids` and `note` write the letter anew, `subject` and `body` replace it."""

    resource_ids: Sequence[UUID] | None = None
    note: str | None = None
    subject: str | None = None
    body: str | None = None


async def edit_draft(session: AsyncSession, parts: Parts, request: JoinRequest, edits: Edits) -> None:
    """Change the draft of an open request. Raises InvalidInput for a resource that is not there, is put away, or has a broken link."""
    if edits.resource_ids is not None:
        wanted = [str(i) for i in dict.fromkeys(edits.resource_ids)]
        await _check(session, wanted)
        request.resource_ids = wanted
    if edits.note is not None:
        request.draft_note = edits.note
    if edits.resource_ids is not None or edits.note is not None:
        await redraft(session, parts, request)
    request.draft_subject = edits.subject or request.draft_subject
    request.draft_body = edits.body or request.draft_body
    session.add(request)


async def _check(session: AsyncSession, wanted: Sequence[str]) -> None:
    found = await chosen_resources(session, wanted)
    if len(found) != len(wanted):
        raise InvalidInput.field("resource_ids", "names a resource that is not in the library")
    for resource in found:
        if resource.link_problem:
            raise InvalidInput.field("resource_ids", f"names “{resource.title}”, whose link is broken; mend the link or choose another")
        if not resource.active:
            raise InvalidInput.field("resource_ids", f"names “{resource.title}”, which is not active; choose another")
