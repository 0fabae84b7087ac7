"""What the facilitator decides about a join request: approve (as drafted, edited or with other resources) or decline."""

from datetime import datetime
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from service.auth.audit import record
from service.errors import Conflict, NotFound
from service.members.models import JoinRequest, Member
from service.members.rules import JoinRequestStatus
from service.members.standing import get_member
from service.messages.models import Delivery
from service.messages.outbox import Recipient, letter_to, queue_message
from service.messages.quiet_hours import next_allowed
from service.messages.rules import MessageKind
from service.parts import Parts
from service.rendering import Draft, Rendered
from service.resources.models import Resource
from service.welcome.learning import learn_from_choice


async def get_open_request(session: AsyncSession, request_id: UUID) -> JoinRequest:
    """The join request, if it still is to be decided about. Raises NotFound and Conflict."""
    request = await session.get(JoinRequest, request_id, with_for_update=True)
    if request is None:
        raise NotFound("There is no such join request.")
    if request.status != JoinRequestStatus.OPEN:
        raise Conflict(f"This join request is {request.status}: there is nothing to decide about it.")
    return request


def rendered_welcome(parts: Parts, request: JoinRequest, member: Member) -> Rendered:
    """The mail exactly as it will go."""
    return letter_to(parts, member, MessageKind.WELCOME, Draft(request.draft_subject, request.draft_body))


async def approve(session: AsyncSession, parts: Parts, request: JoinRequest, *, by: str, now: datetime) -> Delivery:
    """Send the welcome as it is drafted now, at the next hour a welcome may leave; the same request never gives two.

    Raises Conflict while there is no draft yet, and when the link of a resource in it has broken since.
    """
    if not request.draft_body:
        raise Conflict("The draft is not ready yet; it comes within a minute.")
    await _refuse_broken_links(session, request)
    member = await get_member(session, request.member_id)
    delivery = await queue_message(
        session,
        parts,
        key=f"welcome:{request.id}",
        kind=MessageKind.WELCOME,
        recipient=Recipient.of(member),
        content=rendered_welcome(parts, request, member),
        now=now,
        due_at=next_allowed(MessageKind.WELCOME, now, parts.settings.zone),
    )
    request.status, request.decided_at, request.decided_by = JoinRequestStatus.APPROVED, now, by
    session.add(request)
    await learn_from_choice(session, request)
    record(session, actor=by, action="approve_join_request", subject_type="join_request", subject_id=request.id, now=now)
    return delivery


async def _refuse_broken_links(session: AsyncSession, request: JoinRequest) -> None:
    for resource_id in request.resource_ids:
        resource = await session.get(Resource, UUID(resource_id))
        if resource is not None and resource.link_problem:
            raise Conflict(f"The link of “{resource.title}” is broken since. Choose another resource, or mend the link.")


async def decline(session: AsyncSession, request: JoinRequest, *, by: str, now: datetime) -> None:
    """No welcome goes for this request. The person stays on the list they confirmed."""
    request.status, request.decided_at, request.decided_by = JoinRequestStatus.DECLINED, now, by
    session.add(request)
    record(session, actor=by, action="decline_join_request", subject_type="join_request", subject_id=request.id, now=now)
