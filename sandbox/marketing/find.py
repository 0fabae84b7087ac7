"""Finding the audience and the member that a path names."""

from typing import TYPE_CHECKING

from sandbox.ids import member_hash
from sandbox.records import Audience, Member
from sandbox.wire import Call, not_found

if TYPE_CHECKING:
    from sandbox.box import Sandbox


def audience_of(call: Call) -> Audience:
    """Return the audience in the path. Raises Problem 404."""
    audience = call.box.state.audiences.get(call.args["list_id"])
    if audience is None:
        raise not_found()
    return audience


def find_member(box: "Sandbox", list_id: str, given: str) -> Member | None:
    """Find a member by subscriber_hash, address or contact_id."""
    members = box.state.list_members.get(list_id, {})
    if "@" in given:
        return members.get(member_hash(given))
    found = members.get(given.lower())
    if found is None and given in box.state.contact_ids and box.state.contact_ids[given][0] == list_id:
        found = members.get(box.state.contact_ids[given][1])
    return found


def member_of_call(call: Call) -> Member:
    """Return the member in the path. Raises Problem 404."""
    member = find_member(call.box, audience_of(call).id, call.args["subscriber_hash"])
    if member is None:
        raise not_found()
    return member
