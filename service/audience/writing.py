"""The calls that bring members to the audience, one step after the other; what was done so far is never lost to an error."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from service.audience.due import Due
from service.audience.rules import EXISTS, IN_COMPLIANCE, REFUSALS, Write
from service.providers.base import Audience, Contact, ContactStatus, OutcomeUnknown, Rejected, Temporary

RETRY = timedelta(minutes=2)
MANY = 10
"""Up to so many known contacts are written one by one; more go in one job at Mailchimp."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one member. `problem` is Mailchimp's final word against it; `retry` that it is to be tried again later."""

    due: Due
    problem: str = ""
    retry: bool = False
    remote_status: str = ""
    found: Contact | None = None


async def write(audience: Audience, due: Sequence[Due], written: list[Written]) -> list[Due]:
    """Make the call each member needs; what became of them is added to `written` as it happens. Answers the new ones whom Mailchimp knows
    already, where they are many: left to a job there. Raises Temporary, OutcomeUnknown and Misconfigured: whoever is not in `written`
    then stays due.
    """
    written += [Written(d) for d in due if d.write is Write.NOTHING]
    for d in due:
        if d.write is Write.UNSUBSCRIBE:
            await _one(audience, d, written)
    there = await _add(audience, [d for d in due if d.write is Write.ADD], written)
    many = len(there) > MANY
    for d in [*(d for d in due if d.write in {Write.PUT, Write.INVITE}), *([] if many else there)]:
        await _one(audience, d, written)
    return there if many else []


async def _add(audience: Audience, new: Sequence[Due], written: list[Written]) -> list[Due]:
    """Add people in one call; those who are there already are left to `put`."""
    if not new:
        return []
    problems = {p.email.lower(): p for p in await audience.add([d.contact for d in new])}
    there = []
    for d in new:
        problem = problems.get(d.contact.email.lower())
        if problem is None:
            written.append(Written(d, remote_status=ContactStatus.SUBSCRIBED))
        elif problem.title == EXISTS:
            there.append(d)
        else:
            written.append(Written(d, problem.title if problem.final else "", retry=not problem.final))
    return there


async def _one(audience: Audience, d: Due, written: list[Written]) -> None:
    """One member by a call of their own. One who keeps failing goes to the end of the queue, and so never stands in others' way."""
    try:
        written.append(await _call(audience, d))
    except Rejected as error:
        written.append(Written(d, error.title))
    except (Temporary, OutcomeUnknown):
        written.append(Written(d, retry=True))
        raise


async def _call(audience: Audience, d: Due) -> Written:
    if d.write is Write.UNSUBSCRIBE:
        await audience.unsubscribe(d.contact.email)
        return Written(d, remote_status=ContactStatus.UNSUBSCRIBED)
    try:
        found = await audience.put(d.contact)
    except Rejected as error:
        if d.contact.status is not ContactStatus.SUBSCRIBED or error.title != IN_COMPLIANCE:
            raise
        # they left there themselves, and came back here: Mailchimp wants to hear it from them, and mails them once
        found = await audience.put(replace(d.contact, status=ContactStatus.PENDING))
    if d.write is Write.INVITE and found.status in REFUSALS:  # they left there before we knew of them
        found = await audience.put(replace(d.contact, status=ContactStatus.PENDING))
    return Written(d, remote_status=found.status or "", found=found)
